// Vercel's AI SDK over chat completions, responses and messages: text, a stream, a loop over a tool; an error.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false; // they go to stdout, which is ours
const [root, agent] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: `${root}/v1`, apiKey: "a-key" });
const anthropic = createAnthropic({ baseURL: `${root}/v1`, apiKey: "a-key" });

async function found(model) {
  const said = await generateText({ model, prompt: "hello", maxRetries: 0 });
  let streamed = "";
  const stream = streamText({ model, prompt: "hello", maxRetries: 0 });
  for await (const text of stream.textStream) streamed += text;
  let looked = 0;
  const look_up = tool({ inputSchema: z.object({ id: z.string() }), execute: () => (looked++, "found") });
  const after = await generateText({
    model, prompt: "call look_up", tools: { look_up }, stopWhen: stepCountIs(2), maxRetries: 0,
  });
  const turns = [{ role: "user", content: "hello" }, ...said.response.messages, { role: "user", content: "and then?" }];
  const second = await generateText({ model, messages: turns, maxRetries: 0 });
  return {
    second: second.text, text: said.text, usage: said.usage.outputTokens, streamed, streamed_usage: (await stream.usage).outputTokens,
    finish: said.finishReason, looked, steps: after.steps.length,
  };
}

const refused = await generateText({ model: openai.chat("nobody"), prompt: "hello", maxRetries: 0 }).catch((e) => e);
console.log(JSON.stringify({
  chat: await found(openai.chat(agent)),
  responses: await found(openai.responses(agent)),
  messages: await found(anthropic(agent)),
  error: [APICallError.isInstance(refused), refused.statusCode, refused.data?.error?.code],
}));
