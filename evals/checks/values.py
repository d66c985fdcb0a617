"""The values that may be written for a check. Each function returns what is wrong with one, or ''."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from evals.checks.expressions import BadExpression, compile_expression
from evals.checks.javascript import number_of, text_of
from evals.checks.schemas import BadSchema, schema_of
from evals.checks.texts import BadList, word_list
from evals.checks.tools import tool_names

_STEP_TYPES = ("tool", "message")


def any_value(_: JsonValue) -> str:
    return ""


def no_value(_: JsonValue) -> str:
    """Return ''. A value that is not read does no harm: promptfoo's examples have them."""
    return ""


def written_text(value: JsonValue) -> str:
    return "" if isinstance(value, str) and value else "the value must be a text"


def optional_text(value: JsonValue) -> str:
    return "" if value is None or isinstance(value, str) else "the value must be a text"


def text_or_number(value: JsonValue) -> str:
    fits = (isinstance(value, str) and value) or _is_number(value)
    return "" if fits else "the value must be a text or a number"


def list_of_words(value: JsonValue) -> str:
    wrong = "the value must be a list of words, or a text with commas between them"
    if not isinstance(value, str | list) or not value:
        return wrong
    try:
        return "" if word_list(value) else wrong
    except BadList as error:
        return str(error)


def criteria(value: JsonValue) -> str:
    texts = value if isinstance(value, list) else [value]
    fits = bool(texts) and all(isinstance(text, str) for text in texts)
    return "" if fits else "the value must be a text or a list of texts"


def rubric(value: JsonValue) -> str:
    return "" if value and isinstance(value, str | list | dict) else "the value must be a rubric: a text, or an object"


def goal(value: JsonValue) -> str:
    written = value.get("goal") if isinstance(value, Mapping) else value
    return "" if isinstance(written, str) and written.strip() else "the value must be a text, or have a `goal`"


def expression(value: JsonValue) -> str:
    if not isinstance(value, str) or not value:
        return "the value must be a regular expression"
    try:
        compile_expression(value)
    except BadExpression as error:
        return f"no regular expression of JavaScript: {error}"
    return ""


def optional_schema(value: JsonValue) -> str:
    if not value:
        return ""
    try:
        schema_of(value)
    except BadSchema as error:
        return str(error)
    return ""


def bounds_of_words(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return _bounds(value)
    is_number = _is_number(value) or (isinstance(value, str) and number_of(value) is not None)
    return "" if is_number else "the value must be a number, or have `min` or `max`"


def names_of_tools(value: JsonValue) -> str:
    return "" if tool_names(value) else "the value must be a list of names of tools, or a text with commas between them"


def tools_used(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return _matcher(value) or (_bounds(value) if {"min", "max"} & set(value) else "")
    return criteria(value)


def sequence_of_tools(value: JsonValue) -> str:
    steps = value.get("steps") if isinstance(value, Mapping) else value
    mode = value.get("mode", "in_order") if isinstance(value, Mapping) else "in_order"
    if not isinstance(steps, list) or not steps:
        return "the value must be a list of tools, or have `steps`"
    if mode not in ("in_order", "exact"):
        return f"`mode` is {text_of(mode)!r}, not in_order or exact"
    return next(filter(None, map(_matcher, steps)), "")


def arguments_matcher(value: JsonValue) -> str:
    if not isinstance(value, Mapping):
        return "the value must be an object with `name` and `args`"
    ignored = value.get("ignore", [])
    if "args" not in value and "arguments" not in value:
        return "the value lacks `args`"
    if value.get("mode", "partial") not in ("partial", "exact"):
        return f"`mode` is {text_of(value['mode'])!r}, not partial or exact"
    if not isinstance(value.get("defaults", {}), Mapping):
        return "`defaults` must be an object"
    if not all(
        isinstance(name, str) and name.strip() for name in (ignored if isinstance(ignored, list) else [ignored])
    ):
        return "`ignore` must be a name or a list of names"
    return _matcher(value)


def bounds_of_steps(value: JsonValue) -> str:
    if not isinstance(value, Mapping):
        return "the value must have `min` or `max`"
    return _bounds(value) or _types(value)


def _matcher(value: JsonValue) -> str:
    if isinstance(value, str) and value:
        return ""
    if not isinstance(value, Mapping) or not isinstance(value.get("name") or value.get("pattern"), str):
        return "a tool is given by `name` or `pattern`"
    return _types(value)


def _types(value: Mapping[str, Any]) -> str:
    types = value.get("type", "tool")
    unknown = [kind for kind in (types if isinstance(types, list) else [types]) if kind not in _STEP_TYPES]
    return f"steps are of the types {' and '.join(_STEP_TYPES)}, not {unknown[0]!r}" if unknown else ""


def _bounds(value: Mapping[str, Any]) -> str:
    bounds = {name: value[name] for name in ("min", "max") if value.get(name) is not None}
    if not bounds or not all(map(_is_number, bounds.values())):
        return "the value must have `min` or `max`, as numbers"
    return "`min` is more than `max`" if bounds.get("min", 0) > bounds.get("max", float("inf")) else ""


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
