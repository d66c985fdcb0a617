"""LangChain over Gemini's API at every agent: an answer, a stream, a tool's round trip, a typed answer."""

from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI, HarmBlockThreshold, HarmCategory
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


def scenario(agent: str) -> dict[str, Any]:
    unfiltered = {HarmCategory.HARM_CATEGORY_HARASSMENT: HarmBlockThreshold.BLOCK_NONE}
    model = ChatGoogleGenerativeAI(
        model=agent, base_url=ROOT, google_api_key="a-key", max_retries=1, safety_settings=unfiltered
    )
    said = model.invoke("hello")
    streamed = "".join(str(chunk.text) for chunk in model.stream("hello"))
    with_tool = model.bind_tools([look_up])
    turns: list[Any] = [HumanMessage("call look_up")]
    called = with_tool.invoke(turns)
    results = [ToolMessage(look_up.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls]
    after = with_tool.invoke([*turns, called, *results])
    typed = model.with_structured_output(Weather).invoke("the weather")
    return {
        "text": str(said.text),
        "streamed": streamed,
        "called": bool(called.tool_calls),
        "after": str(after.text),
        "typed": type(typed).__name__,
    }


report(scenario)
