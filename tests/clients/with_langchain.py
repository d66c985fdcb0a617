"""LangChain: an answer, a stream, and a loop that calls a tool and goes on with its result."""

import json
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

ROOT, AGENT = sys.argv[1], sys.argv[2]


@tool
def look_up(id: str = "") -> str:
    """Look something up."""
    return f"found {id}"


model = ChatOpenAI(model=AGENT, base_url=f"{ROOT}/v1", api_key="a-key", max_retries=0)
said = model.invoke("hello")
streamed = "".join(str(chunk.content) for chunk in model.stream("hello"))
turns = [HumanMessage("call look_up")]
with_tool = model.bind_tools([look_up])
called = with_tool.invoke(turns)
results = [ToolMessage(look_up.invoke(call["args"]), tool_call_id=call["id"]) for call in called.tool_calls]
after = with_tool.invoke([*turns, called, *results])
responses = ChatOpenAI(model=AGENT, base_url=f"{ROOT}/v1", api_key="a-key", max_retries=0, use_responses_api=True)
print(
    json.dumps(
        {
            "text": said.content,
            "usage": said.usage_metadata["output_tokens"],
            "streamed": streamed,
            "tool": [call["name"] for call in called.tool_calls],
            "after": after.content,
            "responses": responses.invoke("hello").text,
        }
    )
)
