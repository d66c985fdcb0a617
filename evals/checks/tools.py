"""Checks of the answer's tool calls: their names, and their arguments against the tools that were offered."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from evals.checks.checkable import Checkable, tool_calls_of
from evals.checks.javascript import parse_json, text_of
from evals.checks.schemas import BadSchema, UndecidedSchema, mismatch, schema_of
from evals.checks.scores import CaseScore, decided, not_decided

_MOST_PLACES = 1000  # lines of a text at which JSON is looked for


def check_valid_tools_call(given: Checkable) -> CaseScore:
    """The last turn calls tools, each an offered one, with arguments of its schema's shape."""
    calls = _written_calls(given)
    if not calls:
        return decided(given.spec, False, "the answer calls no tool")
    try:
        wrong = next(filter(None, (_wrong_call(call, given) for call in calls)), "")
    except UndecidedSchema as error:
        return not_decided(str(error))
    return decided(given.spec, not wrong, wrong or "every call fits its tool")


def check_tool_call_f1(given: Checkable) -> CaseScore:
    """The names of called tools are the expected ones, by F1 of the two sets; 1 by default.

    The score is F1 also with `not-`. Source: van Rijsbergen, Information Retrieval (1979).
    """
    expected, called = set(tool_names(given.spec.value)), set(_called_names(given))
    shared = len(expected & called)
    precision, recall = (shared / len(names) if names else 0.0 for names in (called, expected))
    f1 = 2 * precision * recall / (precision + recall) if shared else 0.0
    threshold = 1.0 if given.spec.threshold is None else given.spec.threshold
    named = f"called {', '.join(sorted(called)) or 'none'}, expected {', '.join(sorted(expected))}"
    return CaseScore((f1 >= threshold) != given.spec.negated, f1, f"F1 of tool calls is {f1:.3f}: {named}")


def tool_names(value: JsonValue) -> list[str]:
    """Return the names of a list, or of a text with commas between them."""
    names = value.split(",") if isinstance(value, str) else map(text_of, value) if isinstance(value, list) else []
    return [name.strip() for name in names if name.strip()]


def _wrong_call(call: Mapping[str, Any], given: Checkable) -> str:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    functions: list[Any] = [tool.get("function") for tool in given.answer.offered]
    offered = {function.get("name"): function for function in functions if isinstance(function, Mapping)}
    if name not in offered:
        return f"the called tool {name!r} was not offered"
    try:
        value = parse_json(arguments)
    except ValueError:
        return f"the arguments of {name!r} are no JSON"
    schema = offered[name].get("parameters")
    if not schema:
        return "" if value == {} else f"{name!r} takes no arguments"
    try:
        wrong = mismatch(schema_of(schema), value)
    except BadSchema as error:
        raise UndecidedSchema(f"tool {name!r}: {error}") from error
    return f"arguments of {name!r}: {wrong}" if wrong else ""


def _written_calls(given: Checkable) -> list[Mapping[str, Any]]:
    """Return the calls of the last turn, or those that its text is the JSON of; [] unless each has the right shape."""
    value: Any = tool_calls_of(given.answer)
    if not value:
        try:
            value = parse_json(given.answer.text)
        except ValueError:
            return []
    if isinstance(value, Mapping):
        value = value.get("tool_calls")
    calls = value if isinstance(value, list) else []
    return calls if all(map(_is_call, calls)) else []


def _is_call(call: Any) -> bool:
    function = call.get("function") if isinstance(call, Mapping) else None
    parts = [function.get(part) for part in ("name", "arguments")] if isinstance(function, Mapping) else [None]
    return all(isinstance(part, str) for part in parts)


def _called_names(given: Checkable) -> Iterator[str]:
    """Yield the names of the tools that were called, in all turns; without any, those in JSON in the text."""
    if given.answer.steps or given.answer.tool_calls:
        yield from (step.call.name for step in given.answer.steps)
        yield from (call.name for call in given.answer.tool_calls)
        return
    for value in _json_in(given.answer.text):
        yield from _names_in(value)


def _json_in(text: str) -> Iterator[JsonValue]:
    """Yield the JSON that a text is, or whole values that begin one of its lines and end one."""
    try:
        yield parse_json(text)
        return
    except ValueError:
        pass
    lines = text.splitlines()
    places = [index for index, line in enumerate(lines) if line.strip()[:1] in ("{", "[")][:_MOST_PLACES]
    end = 0
    for start in places:
        if start < end:
            continue
        for last in range(start, min(start + _MOST_PLACES, len(lines))):
            if lines[last].rstrip()[-1:] not in ("}", "]"):
                continue
            try:
                yield parse_json("\n".join(lines[start : last + 1]))
            except ValueError:
                continue
            end = last + 1
            break


def _names_in(value: Any) -> Iterator[str]:
    """Yield the names of the calls in a value, in the shape of any API."""
    if isinstance(value, list):
        for part in value:
            yield from _named_call(part) if isinstance(part, Mapping) else ()
    elif isinstance(value, Mapping):
        calls = value.get("tool_calls")
        live = value.get("toolCall")
        if isinstance(calls, list):
            for call in calls:
                yield from _named_call(call) if isinstance(call, Mapping) else ()
        elif value.get("type") in ("tool_use", "function_call") or "functionCall" in value:
            yield from _named_call(value)
        elif isinstance(live, Mapping):
            yield from _names_in([{"functionCall": call} for call in live.get("functionCalls", [])])


def _named_call(call: Mapping[str, Any]) -> Iterator[str]:
    for holder in (call.get("function"), call.get("functionCall"), call):
        if isinstance(holder, Mapping) and isinstance(holder.get("name"), str):
            yield holder["name"]
            return
