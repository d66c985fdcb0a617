"""Instructor and Pydantic AI: answers of a declared type, and an agent that calls a tool."""

import json
import sys

import instructor
from openai import OpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

ROOT, AGENT = sys.argv[1], sys.argv[2]


class Weather(BaseModel):
    """What is asked for."""

    city: str
    degrees: int


typed = instructor.from_openai(OpenAI(base_url=f"{ROOT}/v1", api_key="a-key", max_retries=0))
weather = typed.chat.completions.create(
    model=AGENT, response_model=Weather, messages=[{"role": "user", "content": "the weather"}]
)
model = OpenAIChatModel(AGENT, provider=OpenAIProvider(base_url=f"{ROOT}/v1", api_key="a-key"))
looked_up: list[str] = []
agent = Agent(model)


@agent.tool_plain
def look_up(id: str = "") -> str:
    """Look something up."""
    looked_up.append(id)
    return "found"


said = agent.run_sync("call look_up").output
print(json.dumps({"city": type(weather.city).__name__, "looked_up": len(looked_up), "said": said}))
