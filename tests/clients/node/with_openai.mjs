// OpenAI's SDK for Node: an answer, a stream, a tool call with its result, responses, an upload, an embedding, an error.

import OpenAI, { toFile } from "openai";

const [root, agent] = process.argv.slice(2);
const hello = [{ role: "user", content: "hello" }];
const parameters = { type: "object", properties: { id: { type: "string" } }, required: ["id"] };
const tools = [{ type: "function", function: { name: "look_up", parameters } }];
const client = new OpenAI({ baseURL: `${root}/v1`, apiKey: "a-key", maxRetries: 0 });

const said = await client.chat.completions.create({ model: agent, messages: hello });
let streamed = "";
for await (const chunk of await client.chat.completions.create({ model: agent, messages: hello, stream: true })) {
  streamed += chunk.choices[0].delta.content ?? "";
}
let looked = 0;
const look_up = { name: "look_up", parameters, parse: JSON.parse, function: () => (looked++, "found") };
const asked = [{ role: "user", content: "call look_up" }];
const loop = client.chat.completions.runTools({
  model: agent,
  messages: asked,
  tools: [{ type: "function", function: look_up }],
  stream: true,
}, { maxChatCompletions: 2 });
await loop.done();
const response = await client.responses.create({ model: agent, input: "hello" });
let responded = "";
for await (const event of await client.responses.create({ model: agent, input: "hello", stream: true })) {
  if (event.type === "response.output_text.delta") responded += event.delta;
}
const sound = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 256));
const heard = await client.audio.transcriptions.create({ file: await toFile(sound, "a.wav"), model: agent });
const speech = await client.audio.speech.create({ model: agent, voice: "alloy", input: "hi" });
const file = await client.files.create({ file: await toFile(sound, "a.bin"), purpose: "batch" });
const content = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
const embedded = await client.embeddings.create({ model: agent, input: "a", dimensions: 4 });
const error = await client.chat.completions.create({ model: "nobody", messages: hello }).catch((refused) => refused);

console.log(JSON.stringify({
  text: said.choices[0].message.content,
  usage: said.usage.completion_tokens,
  streamed,
  looked,
  responses: [response.output_text, responded],
  heard: heard.text,
  speech: Buffer.from(await speech.arrayBuffer()).subarray(0, 3).toString(),
  file: [file.bytes, content.equals(sound)],
  embedding: embedded.data[0].embedding.length,
  error: `${error.constructor.name} ${error.code}`,
}));
