"""Gemini's schemas of hostile clients: the work and the memory are those of the body."""

import tracemalloc
from typing import Any

import pytest

from gateway.errors import CallerError
from gateway.formats.gemini._schemas import json_schema

LONG = "K" * 1_000_000


def nested(levels: int, within: Any) -> Any:
    for _ in range(levels):
        within = {"properties": {"a": within}}
    return within


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {LONG: nested(30, {"type": "OBJECT"})}},
        {"properties": {LONG: {"properties": {str(number): {} for number in range(1000)}}}},
        {LONG: nested(30, {}), "properties": {"a": {LONG: 1}}},
    ],
)
def test_a_long_name_is_not_copied_by_what_is_below_it(schema: Any) -> None:
    """No member's place is spelled out in full; a name that is read anew takes its own length, once or twice."""
    tracemalloc.start()
    try:
        json_schema(schema, "tools[0]")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(LONG)


def test_the_place_of_what_is_wrong() -> None:
    """The error names it, as far as it can be shown."""
    with pytest.raises(CallerError, match="must be a schema") as caught:
        json_schema({"properties": {"a": {"properties": {"b": 7}}}}, "tools[0]")
    assert caught.value.param == "tools[0].properties.a.properties.b"
    with pytest.raises(CallerError, match="must be a schema") as caught:
        json_schema({"properties": {LONG: 7}}, "tools[0]")
    assert caught.value.param is not None and len(caught.value.param) < 300
