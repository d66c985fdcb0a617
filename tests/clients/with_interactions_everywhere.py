"""Google's SDK at the Interactions API of every agent: an answer, a stream, a call and its result, a typed answer."""

from typing import Any

from google import genai
from google.genai import types
from matrix import ROOT, report
from pydantic import BaseModel


class Weather(BaseModel):
    """The answer's shape."""

    city: str
    degrees: int


LOOK_UP: Any = {
    "type": "function",
    "name": "look_up",
    "description": "It looks up.",
    "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
}
client = genai.Client(api_key="a-key", http_options=types.HttpOptions(base_url=ROOT))
create: Any = client.interactions.create


def scenario(agent: str) -> dict[str, Any]:
    said = create(model=agent, input="hello", store=False)
    pieces = [
        event.delta.text
        for event in create(model=agent, input="hello", stream=True, store=False)
        if event.event_type == "step.delta" and event.delta.type == "text"
    ]
    called = create(model=agent, input="call look_up", tools=[LOOK_UP], store=False)
    calls = [step for step in called.steps if step.type == "function_call"]
    history = [
        {"type": "user_input", "content": [{"type": "text", "text": "call look_up"}]},
        *(step.model_dump(exclude_none=True, mode="json") for step in called.steps),
        *({"type": "function_result", "call_id": call.id, "name": call.name, "result": "found"} for call in calls),
    ]
    after = create(model=agent, input=history, tools=[LOOK_UP], store=False)
    shape = {"type": "text", "mime_type": "application/json", "schema": Weather.model_json_schema()}
    typed = create(model=agent, input="the weather", response_format=shape, store=False)
    return {
        "text": said.output_text,
        "streamed": "".join(pieces),
        "called": [call.name for call in calls] == ["look_up"],
        "after": after.output_text,
        "typed": type(Weather.model_validate_json(typed.output_text)).__name__,
    }


report(scenario)
