"""Anthropic's SDK: an answer, a stream, a tool call with its result, the models, an error."""

import json
import sys
from typing import Any

import anthropic

ROOT, AGENT = sys.argv[1], sys.argv[2]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
TOOL: Any = {"name": "look_up", "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}}}

client = anthropic.Anthropic(base_url=ROOT, api_key="a-key", max_retries=0)
said = client.messages.create(model=AGENT, max_tokens=50, messages=HELLO)
with client.messages.stream(model=AGENT, max_tokens=50, messages=HELLO) as stream:
    streamed = "".join(stream.text_stream)
    final = stream.get_final_message()
asked: list[Any] = [{"role": "user", "content": "call look_up"}]
with client.messages.stream(model=AGENT, max_tokens=50, messages=asked, tools=[TOOL]) as stream:
    called = stream.get_final_message()
call = next(block for block in called.content if block.type == "tool_use")
result = {"type": "tool_result", "tool_use_id": call.id, "content": "found"}
turns = [*asked, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
after = client.messages.create(model=AGENT, max_tokens=50, messages=turns, tools=[TOOL])
models = [model.id for model in client.models.list()]
model = client.models.retrieve(AGENT)
try:
    client.messages.create(model="nobody", max_tokens=50, messages=HELLO)
    error = ""
except anthropic.NotFoundError as refused:
    error = f"{type(refused).__name__} {refused.body['error']['type']}"
print(
    json.dumps(
        {
            "text": said.content[0].text,
            "stop": said.stop_reason,
            "usage": [said.usage.input_tokens > 0, said.usage.output_tokens],
            "streamed": streamed,
            "streamed_usage": final.usage.output_tokens,
            "tool": [call.name, isinstance(call.input, dict), called.stop_reason],
            "after": after.content[0].text,
            "models": [models, model.display_name, model.created_at.year > 2000],
            "error": error,
        }
    )
)
