"""A strict model refuses what OpenAI's servers refuse, in their words."""

from typing import Any

import pytest

from gateway.rehearsal.standin.asks import StandinRefusal
from gateway.rehearsal.standin.strict import check

CALL = {"id": "1", "function": {"name": "f"}}
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def function(parameters: Any, name: str = "f", **more: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": name, "parameters": parameters, **more}}]}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"user": "u" * 65}, "user"),
        ({"context_management": {}}, "context_management"),
        ({"service_tier": "standard_only"}, "service_tier"),
        ({"stop": list("abcde")}, "stop"),
        ({"tools": [{"type": "function"}] * 129}, "tools"),
        (function({"type": "object"}), "tools[0].function.parameters"),
        (function({"type": "object", "properties": {}}, "a" * 65), "tools[0].function.name"),
        (function({"type": "object", "properties": {"a": {"type": "array"}}}), "tools[0].function.parameters"),
        (function({"type": "object", "properties": {}}, strict=True), "tools[0].function.parameters"),
        (function({"anyOf": []}), "tools[0].function.parameters"),
        ({"messages": [{"tool_calls": [{**CALL, "id": "x" * 41}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"tool_calls": [CALL]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "tool", "tool_call_id": "1"}]}, "messages[0].tool_call_id"),
    ],
)
def test_what_is_refused(members: dict[str, Any], param: str) -> None:
    """The first thing that is wrong is named."""
    with pytest.raises(StandinRefusal) as refused:
        check({**CHAT, **members})
    assert refused.value.param == param


def test_what_is_taken() -> None:
    """Calls with their results, whole schemas, and items of the Responses API."""
    check({**CHAT, "messages": [{"tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "1"}]})
    check({**CHAT, **function({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}})})
    items = [
        {"type": "function_call", "call_id": "c" * 64, "name": "f"},
        {"type": "function_call_output", "call_id": "c" * 64},
    ]
    check({"model": "m", "input": items, "tools": [{"type": "function", "name": "f", "parameters": None}]})
