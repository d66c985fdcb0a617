"""Violations of a JSON schema: what is certain, and nothing else."""

import sys
from typing import Any

import pytest

from policies.behaviours.schemas import MOST_STEPS, violates

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "count": {"type": "integer"},
        "state": {"enum": ["open", "shipped", None]},
        "lines": {"type": "array", "items": {"type": "object", "required": ["sku"]}},
        "note": {"type": ["string", "null"]},
        "parent": {"$ref": "#"},
        "address": {"$ref": "#/$defs/address~1of~0"},
    },
    "required": ["id"],
    "additionalProperties": False,
    "$defs": {"address/of~": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["city"]}]}},
}


@pytest.mark.parametrize(
    "value",
    [
        {"id": "a"},
        {"id": "a", "count": 2.0, "state": None, "note": None, "lines": [{"sku": 1}, {"sku": 2}]},
        {"id": "a", "parent": {"id": "b", "parent": {"id": "c"}}},
        {"id": "a", "address": "here"},
        {"id": "a", "address": {"city": "Bonn"}},
    ],
)
def test_what_keeps_to_the_schema_breaks_nothing(value: Any) -> None:
    """Also through references, choices and lists; 2.0 is an integer."""
    assert not violates(value, ORDER)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        None,
        "text",
        {"id": 7},
        {"id": True},
        {"id": "a", "count": 2.5},
        {"id": "a", "count": True},
        {"id": "a", "state": "lost"},
        {"id": "a", "lines": [{"sku": 1}, {}]},
        {"id": "a", "note": 1},
        {"id": "a", "parent": {"id": "b", "parent": {}}},
        {"id": "a", "address": {}},
        {"id": "a", "address": 3},
        {"id": "a", "more": 1},
    ],
)
def test_what_breaks_the_schema_is_found(value: Any) -> None:
    """A missing or wrong member at whatever depth, one too many, and a value of no choice."""
    assert violates(value, ORDER)


@pytest.mark.parametrize(
    ("value", "schema", "is_broken"),
    [
        (1, True, False),
        (1, False, True),
        (1, "no schema", False),
        (None, {"type": "STRING", "nullable": True}, False),
        (3, {"type": "STRING"}, True),
        (3, {"type": "tuple"}, False),
        (3, {"type": [3]}, False),
        ("b", {"const": "a"}, True),
        (True, {"enum": [1]}, True),
        (1.0, {"enum": [1]}, False),
        ([1], {"enum": [[2]]}, False),
        ([1, "a"], {"prefixItems": [{"type": "integer"}, {"type": "integer"}]}, True),
        ([1, "a"], {"prefixItems": [{"type": "integer"}], "items": False}, True),
        ([1, "a"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, False),
        ([1], {"items": [{"type": "string"}]}, False),
        ({"x_a": 1}, {"patternProperties": {"^x": {}}, "additionalProperties": False}, False),
        ({"a": 1}, {"additionalProperties": {"type": "string"}}, True),
        ({"a": 1}, {"required": [3]}, False),
        (3, {"allOf": [{"type": "integer"}, {"enum": [4]}]}, True),
        (3, {"oneOf": [{"type": "string"}, {"type": "integer"}]}, False),
        (3, {"anyOf": []}, False),
        (3, {"$ref": "https://example.com/schema"}, False),
        (3, {"$ref": "#/$defs/none"}, False),
        (3, {"$ref": "#/type/none", "type": "integer"}, False),
        ("aaaa", {"pattern": "^(a+)+$", "minLength": 9, "format": "date"}, False),
    ],
)
def test_each_keyword_is_judged_as_far_as_it_is_certain(value: Any, schema: Any, is_broken: bool) -> None:
    """Numbers of JSON have no kinds, true is not 1, and unknown keywords, references and types say nothing."""
    assert violates(value, schema) is is_broken


def _work(value: Any, schema: Any) -> int:
    """Count the function calls that a judgement takes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        assert not violates(value, schema)
    finally:
        sys.setprofile(None)
    return calls


def _doubling(levels: int) -> dict[str, Any]:
    """A schema of whose definitions each refers to the next twice."""
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**twice, f"d{levels}": {}}}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, {"$ref": "#"}),
        (1, _doubling(30)),
        (1, {"enum": list(range(2, 2 + 100 * MOST_STEPS))}),
        ({}, {"required": ["a"] * 100 * MOST_STEPS}),
        ({str(number): 1 for number in range(100 * MOST_STEPS)}, {"additionalProperties": {"enum": [2]}}),
        ({"a": 1}, {"anyOf": [{"anyOf": [{"$ref": "#"}] * 9}] * 9}),
    ],
)
def test_a_hostile_schema_takes_bounded_time(value: Any, schema: Any) -> None:
    """Circles, doubling references and endless lists are left unjudged after some thousand steps."""
    if "additionalProperties" in schema:
        value = dict.fromkeys(value, 2)
    assert _work(value, schema) < 40 * MOST_STEPS
