"""OpenAI's Agents SDK at every agent, over Responses and chat completions: a run, a stream, a tool's loop, a type."""

import asyncio
from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from matrix import ROOT, report
from openai import AsyncOpenAI
from pydantic import BaseModel


class Weather(BaseModel):
    """The answer's shape."""

    city: str
    degrees: int


@function_tool
def look_up(id: str) -> str:
    """Look something up."""
    return f"found {id}"


set_tracing_disabled(True)


async def run(model: Any) -> dict[str, Any]:
    plain = Agent(name="plain", instructions="Be brief.", model=model)
    said = await Runner.run(plain, "hello")
    second = await Runner.run(plain, [*said.to_input_list(), {"role": "user", "content": "and then?"}])
    stream = Runner.run_streamed(plain, "hello")
    events = [event.type async for event in stream.stream_events()]
    with_tool = Agent(name="tools", model=model, tools=[look_up])
    after = await Runner.run(with_tool, "call look_up")
    typed = await Runner.run(Agent(name="typed", model=model, output_type=Weather), "the weather")
    return {
        "text": said.final_output,
        "second": second.final_output,
        "streamed": stream.final_output if "raw_response_event" in events else "",
        "called": len(after.new_items) > 1,
        "after": after.final_output,
        "typed": type(typed.final_output).__name__,
    }


async def both(agent: str) -> dict[str, Any]:
    client = AsyncOpenAI(base_url=f"{ROOT}/v1", api_key="a-key", max_retries=0)
    responses = await run(OpenAIResponsesModel(agent, client))
    chat = await run(OpenAIChatCompletionsModel(agent, client))
    return responses if responses == chat else {"responses": responses, "chat": chat}


report(lambda agent: asyncio.run(both(agent)))
