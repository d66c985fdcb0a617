"""Google's SDK at every agent: an answer, a stream, a function's round trip, a typed answer."""

from typing import Any

from google import genai
from google.genai import types
from matrix import ROOT, report
from pydantic import BaseModel


class Weather(BaseModel):
    """The answer's shape."""

    city: str
    degrees: int


def look_up(id: str) -> str:
    """Look something up."""
    return f"found {id}"


client = genai.Client(api_key="a-key", http_options=types.HttpOptions(base_url=ROOT))
UNFILTERED: Any = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]


def scenario(agent: str) -> dict[str, Any]:
    said = client.models.generate_content(
        model=agent, contents="hello", config=types.GenerateContentConfig(safety_settings=UNFILTERED)
    )
    stream = client.models.generate_content_stream(model=agent, contents="hello")
    streamed = "".join(part.text or "" for part in stream)
    tools = types.GenerateContentConfig(tools=[look_up])  # the SDK runs the loop
    after = client.models.generate_content(model=agent, contents="call look_up", config=tools)
    typed = client.models.generate_content(
        model=agent,
        contents="the weather",
        config=types.GenerateContentConfig(response_mime_type="application/json", response_schema=Weather),
    )
    called = [turn.role for turn in after.automatic_function_calling_history or ()]
    return {
        "text": said.text,
        "streamed": streamed,
        "called": len(called) > 1,
        "after": after.text,
        "typed": type(typed.parsed).__name__,
    }


report(scenario)
