"""Tool calls in a request's history, in whichever format its client speaks: their names and arguments."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from gateway.errors import CallerError
from gateway.formats.provider_json import dicts
from gateway.json_body import encode
from gateway.tool_use import short
from policies.behaviours.behaviours import CalledTool

MOST_EARLIER = 1_000  # calls of a history that are looked at, the latest ones
_CALLS = ("function_call", "custom_tool_call")  # items, or steps
_ARGUMENTS = ("arguments", "input", "args")


def earlier_calls(values: Mapping[str, Any]) -> list[CalledTool]:
    """Return the latest tool calls of a request's history, the last first; never raises."""
    items = values.get("messages") or values.get("input") or values.get("contents")
    calls = (call for item in reversed(dicts(items)) for call in _calls(item))
    return list(islice(calls, MOST_EARLIER))


def _calls(item: Mapping[str, Any]) -> Iterator[CalledTool]:
    """Yield the calls in one message, item, step or content."""
    if item.get("type") in _CALLS:
        yield _call(item)
    for call in dicts(item.get("tool_calls")):
        if isinstance(function := call.get("function"), dict):
            yield _call(function)
    for block in dicts(item.get("content")):
        if block.get("type") == "tool_use":
            yield _call(block)
    for part in dicts(item.get("parts")):
        called = part.get("functionCall") or part.get("function_call")
        if isinstance(called, dict):
            yield _call(called)


def _call(members: Mapping[str, Any]) -> CalledTool:
    arguments = next((members[name] for name in _ARGUMENTS if members.get(name) is not None), "")
    return CalledTool(short(members.get("name")), arguments if isinstance(arguments, str) else _text(arguments))


def _text(value: Any) -> str:
    try:
        return encode(value)
    except CallerError:  # nested too deeply
        return ""
