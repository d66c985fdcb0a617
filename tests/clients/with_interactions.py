"""Google's SDK at the Interactions API: an answer, a stream, a function call with its result, typed JSON, errors.

The third argument is "kept" where the provider keeps interactions: then turns go on from the last one by its id.
"""

import json
import sys
import warnings

from google import genai
from google.genai import types

warnings.simplefilter("ignore")
ROOT, AGENT = sys.argv[1], sys.argv[2]
IS_KEPT = sys.argv[3:] == ["kept"]
LOOK_UP = {
    "type": "function",
    "name": "look_up",
    "description": "It looks up.",
    "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
}
SHAPE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

client = genai.Client(api_key="a-key", http_options=types.HttpOptions(base_url=ROOT))
create = client.interactions.create
said = create(model=AGENT, input="hello", system_instruction="You are a bird.", store=IS_KEPT)
pieces, ends, kinds = [], [], []
for event in create(model=AGENT, input=[{"type": "text", "text": "hello"}], stream=True, store=IS_KEPT):
    kinds.append(event.event_type)
    if event.event_type == "step.delta" and event.delta.type == "text":
        pieces.append(event.delta.text)
    elif event.event_type == "interaction.completed":
        ends = [event.interaction.status, event.interaction.usage.total_output_tokens]


def next_turn(asked, answer, steps):
    """The next turn: the new steps alone where the last answer is kept, else the whole conversation."""
    if IS_KEPT:
        return {"previous_interaction_id": answer.id, "input": steps}
    history = [{"type": "user_input", "content": [{"type": "text", "text": asked}]}]
    history += [step.model_dump(exclude_none=True, mode="json") for step in answer.steps]
    return {"input": [*history, *steps], "store": False}


called = create(model=AGENT, input="call look_up", tools=[LOOK_UP], store=IS_KEPT)
call = next(step for step in called.steps if step.type == "function_call")
result = {"type": "function_result", "call_id": call.id, "name": call.name, "result": "found"}
after = create(model=AGENT, tools=[LOOK_UP], **next_turn("call look_up", called, [result]))
arguments = ""
for event in create(model=AGENT, input="call look_up", tools=[LOOK_UP], stream=True, store=IS_KEPT):
    if event.event_type == "step.delta" and event.delta.type == "arguments_delta":
        arguments += event.delta.arguments
typed = create(
    model=AGENT,
    input="a city",
    response_format={"type": "text", "mime_type": "application/json", "schema": SHAPE},
    generation_config={"max_output_tokens": 4096},
    store=IS_KEPT,
)


def refused(function, *args, **more):
    """The kind of the error that this raises, and what it says."""
    try:
        function(*args, **more)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return []


print(
    json.dumps(
        {
            "text": said.output_text,
            "status": said.status,
            "usage": [said.usage.total_input_tokens > 0, said.usage.total_output_tokens],
            "streamed": ["".join(pieces), *ends, kinds[0], kinds[-1]],
            "tool": [call.name, call.arguments, called.status],
            "after": after.output_text,
            "arguments": json.loads(arguments),
            "typed": json.loads(typed.output_text),
            "found": client.interactions.get(said.id).id == said.id if IS_KEPT else False,
            "unknown": refused(client.interactions.get, "int_serinus_x"),
            "previous": refused(create, model=AGENT, input="and?", previous_interaction_id="int_serinus_x"),
            "background": refused(create, model=AGENT, input="hello", background=True),
            "error": refused(create, model="nobody", input="hello"),
        }
    )
)
