"""Anthropic's SDK with requests of Claude Code's shape: streams, a long tool name, parallel calls, results."""

import json
import sys
from pathlib import Path
from typing import Any

import anthropic

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.claude_code import HEADERS, request

ROOT, AGENT = sys.argv[1], sys.argv[2]
TAKEN = ("model", "max_tokens", "messages", "system", "tools", "metadata", "thinking", "stop_sequences")
client = anthropic.Anthropic(base_url=ROOT, api_key="a-key", max_retries=0)


def turn(*turns: Any) -> Any:
    """The answer to one request, streamed."""
    asked = request(AGENT, *turns)
    rest = {name: value for name, value in asked.items() if name not in (*TAKEN, "stream")}
    own = {name: value for name, value in HEADERS.items() if name != "user-agent"}
    members: Any = {name: asked[name] for name in TAKEN}
    with client.messages.stream(**members, extra_body=rest, extra_headers=own) as stream:
        return stream.get_final_message()


def results(message: Any) -> Any:
    """The user's turn with the results of a message's calls."""
    calls = [block for block in message.content if block.type == "tool_use"]
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "x"} for call in calls],
    }


turns: list[Any] = [{"role": "user", "content": "Search."}]
first = turn(*turns)
turns += [{"role": "assistant", "content": first.content}, results(first)]
second = turn(*turns)
turns += [
    {"role": "assistant", "content": second.content},
    {"role": "user", "content": "call Read, call mcp__clock__now"},
]
third = turn(*turns)
turns += [{"role": "assistant", "content": third.content}, results(third)]
last = turn(*turns)
print(
    json.dumps(
        {
            "called": next(block.name for block in first.content if block.type == "tool_use"),
            "stop": first.stop_reason,
            "after": bool(second.content[0].text and last.content[0].text),
            "parallel": [block.name for block in third.content if block.type == "tool_use"],
        }
    )
)
