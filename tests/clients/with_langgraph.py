"""LangGraph's agent with a tool, in each format and whole or streamed: some turns, and what the app measured of them.

Nothing of it knows the gateway but the base URL. A turn's tool time is measured where the app meets the network: from
the last bytes of one answer to the beginning of the next request. A bare round trip is measured beside it: a busy
machine lets both sides wait for their turn.
"""

import json
import sys
import time
from functools import reduce
from operator import add
from typing import Any

import httpx
from http_watch import Watch, round_trip
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

ROOT, AGENT = sys.argv[1], sys.argv[2]
TURNS = 5


WATCH, BARE = Watch(), httpx.Client()


@tool
def look_up(id: str = "") -> str:
    """Look something up."""
    time.sleep(0.05)
    return f"found {id}"


def models() -> dict[str, Any]:
    at_openai: dict[str, Any] = {"model": AGENT, "base_url": f"{ROOT}/v1", "api_key": "a-key", "max_retries": 0}
    return {
        "openai": ChatOpenAI(**at_openai, stream_usage=True),
        "openai-responses": ChatOpenAI(**at_openai, use_responses_api=True),
        "anthropic": ChatAnthropic(model=AGENT, base_url=ROOT, api_key="a-key", max_retries=0),
        "gemini": ChatGoogleGenerativeAI(model=AGENT, base_url=ROOT, google_api_key="a-key", max_retries=0),
    }


def agent_of(model: Any, streams: bool) -> Any:
    bound = model.bind_tools([look_up])

    def answer(state: Any) -> Any:
        if not streams:
            return {"messages": [bound.invoke(state["messages"])]}
        return {"messages": [reduce(add, bound.stream(state["messages"]))]}

    graph = StateGraph(MessagesState)
    graph.add_node("agent", answer)
    graph.add_node("tools", ToolNode([look_up]))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return graph.compile()


def run(name: str, model: Any, streams: bool) -> dict[str, Any]:
    agent, messages, seconds, trips = agent_of(model, streams), list[Any](), list[float](), list[float]()
    for turn in range(TURNS):
        WATCH.begin()
        messages.append(HumanMessage(f"call look_up ({name}, {'streamed' if streams else 'whole'}, {turn})"))
        messages = agent.invoke({"messages": messages})["messages"]
        seconds += WATCH.tools[:1]
        trips.append(round_trip(BARE, ROOT))
    usages = [each.usage_metadata for each in messages if isinstance(each, AIMessage) and each.usage_metadata]
    return {
        "seconds": seconds,
        "trips": trips,
        "calls": sum(isinstance(each, AIMessage) for each in messages),
        "tokens": [sum(usage["input_tokens"] for usage in usages), sum(usage["output_tokens"] for usage in usages)],
    }


found = {
    f"{name} {'streamed' if streams else 'whole'}": run(name, model, streams)
    for streams in (False, True)
    for name, model in models().items()
}
print(json.dumps(found))
