"""Results of tools at the end of a request's history, in whichever format its client speaks.

Nothing is read of what a tool said, but whether it said that it failed: formats without a flag have it in the text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.tool_use import MOST_TOOLS, ReturnedTool, ReturnedTools, short

# How LangGraph, OpenAI's Agents SDK, pydantic-ai and most loops by hand begin a tool's text when it raised. "Traceback"
# alone is a word of people; JSON whose error is null or empty says that there was none.
_NO_ERROR = r"(?:null|false|0|\"\"|\[\]|\{\})\s*[,}]"
_reads_as_error = re.compile(
    rf"\s*(?:error\b|an error occurred|exception\b|traceback \(most|\{{\s*\"error\"\s*:\s*(?!\s|{_NO_ERROR}))", re.I
).match
_ANSWERS = ("assistant", "model")
_OUTPUTS = ("function_call_output", "custom_tool_call_output", "function_result")
# Items of one turn among which results may stand: clients write a call and its result, then the next call of the turn.
_CALLS = ("function_call", "custom_tool_call")
_NOTHING: ReturnedTools = ()
_MOST_IN_ITEM = 1_000_000  # results of one message; a request has no more values


def returned_tools(values: Mapping[str, Any]) -> ReturnedTools:
    """Return the results that stand behind the last answer of a request's history; never raises."""
    items = values.get("messages") or values.get("input") or values.get("contents")
    try:
        last = items[-1]  # type: ignore[index]  # whatever it is
        if last["role"] == "user" and type(last["content"]) is str:
            return _NOTHING  # as a rule; every call passes here
    except (TypeError, LookupError):
        pass
    return _behind_answer(items) if isinstance(items, list) else _NOTHING


def count_returned(values: Mapping[str, Any]) -> int:
    """Return how many results stand there, those beyond the kept ones too; for a request that has many."""
    items = values.get("messages") or values.get("input") or values.get("contents")
    return len(_behind_answer(items, len(items) * _MOST_IN_ITEM)) if isinstance(items, list) else 0


def _behind_answer(items: list[Any], most: int = MOST_TOOLS) -> ReturnedTools:
    found: list[ReturnedTool] = []
    for item in reversed(items):
        if not isinstance(item, dict):
            continue
        kind = item.get("type")
        if item.get("role") in _ANSWERS or kind in ("reasoning", "thought", "model_output"):
            break
        if kind not in _CALLS:
            found += reversed([*_results(item, kind)])
        if len(found) >= most:
            break
    return tuple(reversed(found[:most]))


def _results(item: Mapping[str, Any], kind: Any) -> Iterator[ReturnedTool]:
    """Yield the results in one message, item, step or content."""
    if item.get("role") in ("tool", "function"):  # chat completions; Gemini's has parts
        if "parts" not in item:
            yield ReturnedTool(short(item.get("tool_call_id")), short(item.get("name")), _is_error(item.get("content")))
    elif kind in _OUTPUTS:
        said = item.get("output") if "output" in item else item.get("result")
        is_error = bool(item.get("is_error")) or item.get("status") == "failed" or _is_error(said)
        yield ReturnedTool(short(item.get("call_id")), short(item.get("name")), is_error)
    for block in _dicts(item.get("content")):
        if block.get("type") == "tool_result":
            yield ReturnedTool(short(block.get("tool_use_id")), "", bool(block.get("is_error")))
    for part in _dicts(item.get("parts")):
        response = part.get("functionResponse") or part.get("function_response")
        if isinstance(response, dict):
            yield ReturnedTool(short(response.get("id")), short(response.get("name")), _has_error(response))


def _has_error(response: Mapping[str, Any]) -> bool:
    said = response.get("response")
    return isinstance(said, dict) and bool(said.get("error"))


def _is_error(said: Any) -> bool:
    """Return whether a text, or the first of several, says that the tool failed."""
    if isinstance(said, list):
        said = next((part.get("text") for part in _dicts(said)), None)
    return isinstance(said, str) and _reads_as_error(said) is not None


def _dicts(value: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else ()
