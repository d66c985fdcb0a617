"""LangChain over Anthropic's API at every agent: an answer, a stream, a tool's round trip, a typed answer."""

from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from matrix import ROOT, report
from pydantic import BaseModel


class Weather(BaseModel):
    """The answer's shape."""

    city: str
    degrees: int


@tool
def look_up(id: str) -> str:
    """Look something up."""
    return f"found {id}"


def text(message: Any) -> str:
    return str(message.text)


def scenario(agent: str) -> dict[str, Any]:
    model = ChatAnthropic(model=agent, base_url=ROOT, api_key="a-key", max_retries=0, max_tokens=500)
    said = model.invoke("hello")
    streamed = "".join(text(chunk) for chunk in model.stream("hello"))
    with_tool = model.bind_tools([look_up])
    turns: list[Any] = [HumanMessage("call look_up")]
    called = with_tool.invoke(turns)
    results = [ToolMessage(look_up.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls]
    after = with_tool.invoke([*turns, called, *results])
    typed = model.with_structured_output(Weather).invoke("the weather")
    native = model.with_structured_output(Weather, method="json_schema").invoke("the weather")
    return {
        "text": text(said),
        "streamed": streamed,
        "called": bool(called.tool_calls),
        "after": text(after),
        "typed": type(typed).__name__,
        "native": type(native).__name__,
    }


report(scenario)
