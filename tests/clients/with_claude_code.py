"""Anthropic's SDK with requests of Claude Code's shape: streams, a long tool name, parallel calls, results."""

import sys
from pathlib import Path
from typing import Any

import anthropic
from matrix import ROOT, report

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.claude_code import HEADERS, request

TAKEN = ("model", "max_tokens", "messages", "system", "tools", "metadata", "thinking", "stop_sequences")
client = anthropic.Anthropic(base_url=ROOT, api_key="a-key", max_retries=0)


def turn(agent: str, *turns: Any) -> Any:
    """The answer to one request, streamed."""
    asked = request(agent, *turns)
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


def scenario(agent: str) -> dict[str, Any]:
    turns: list[Any] = [{"role": "assistant", "content": "There it is."}, {"role": "user", "content": "Search."}]
    first = turn(agent, *turns)
    turns += [{"role": "assistant", "content": first.content}, results(first)]
    second = turn(agent, *turns)
    turns += [
        {"role": "assistant", "content": second.content},
        {"role": "user", "content": "call Read, call mcp__clock__now"},
    ]
    third = turn(agent, *turns)
    turns += [{"role": "assistant", "content": third.content}, results(third)]
    last = turn(agent, *turns)
    said = [any(block.type == "text" and block.text for block in message.content) for message in (second, last)]
    return {
        "called": next(block.name for block in first.content if block.type == "tool_use"),
        "stop": first.stop_reason,
        "after": all(said),
        "parallel": [block.name for block in third.content if block.type == "tool_use"],
    }


report(scenario)
