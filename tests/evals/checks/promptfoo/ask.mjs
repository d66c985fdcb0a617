// Ask promptfoo for its scores: pairs as JSON on the standard input, its answers as JSON on the standard output.
// Run as `node ask.mjs FOLDER`, with promptfoo in FOLDER/node_modules.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const require = createRequire(pathToFileURL(`${folder}/`));
const { assertions } = await import(pathToFileURL(require.resolve("promptfoo")).href);
console.log = console.info = console.warn = () => {};

const trace = (steps) => ({
  traceId: "0".repeat(32),
  spans: steps.map(([name, args], index) => ({
    spanId: `${index}`, name, startTime: index, endTime: index,
    attributes: { "tool.name": name, ...(args === null ? {} : { "tool.arguments": args }) },
  })),
});

async function answer(pair) {
  const given = {
    test: { assert: pair.assert, threshold: pair.threshold ?? undefined, vars: {} },
    providerResponse: { output: pair.output, cost: pair.cost ?? undefined, finishReason: pair.finish_reason ?? undefined },
    latencyMs: pair.latency_ms ?? undefined,
    provider: { id: () => "none", config: { tools: pair.tools ?? undefined } },
    vars: {},
  };
  const found = pair.steps
    ? await assertions.runAssertion({ ...given, assertion: pair.assert[0], traceId: "0".repeat(32), traceData: trace(pair.steps) })
    : await assertions.runAssertions(given);
  return [found.pass, found.score, found.namedScores ?? {}];
}

let text = "";
for await (const part of process.stdin.setEncoding("utf8")) text += part;

const answers = [];
for (const pair of JSON.parse(text)) {
  try {
    answers.push(await answer(pair));
  } catch (error) {
    answers.push(String(error.message ?? error).split("\n")[0].slice(0, 120));
  }
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
