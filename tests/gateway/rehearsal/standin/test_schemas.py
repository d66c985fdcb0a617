"""The smallest value that fits a schema, for each thing a schema can say."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.rehearsal.standin.answers import encode
from gateway.rehearsal.standin.schemas import smallest


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 2}, "xx"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer"}, 0),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5}, 5),
        ({"type": "integer", "maximum": -4}, -4),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "number", "minimum": 0.25, "maximum": 0.75}, 0.5),
        ({"type": "integer", "minimum": -9, "maximum": 9}, 0),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": ["integer", "string"]}, 0),
        ({"type": ["string", "null"]}, None),
        ({"type": "array", "items": {"type": "boolean"}}, []),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
        ({"const": "x"}, "x"),
        ({"enum": ["b", "a"]}, "b"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, ""),
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}, {"a": ""}),
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"required": []}]}, {"a": 1}),
        ({"$ref": "#/$defs/x~1y", "$defs": {"x/y": {"type": "boolean"}}}, False),
        ({"$ref": "#/$defs/missing/deeper"}, None),
        ({}, None),
        (True, None),
    ],
)
def test_the_smallest_value(schema: object, expected: object) -> None:
    """Nothing more than the schema insists on."""
    assert smallest(schema) == expected


WORDS = ("type", "enum", "$ref", "allOf", "anyOf", "properties", "required", "items", "minItems", "minimum", "maximum")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["object", "array", "#/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@example({"enum": [-(2**63) - 1]})
@example({"enum": [[2**64, float("inf")]]})
@given(JSON)
def test_nonsense_has_a_value_too(schema: object) -> None:
    """Whatever JSON stands where a schema should, a JSON value comes back; integers beyond 64 bits are JSON, too."""
    json.loads(encode(smallest(schema)), parse_constant=_refuse)


def test_a_schema_that_needs_itself_ends() -> None:
    """Where no finite value fits, one comes back all the same."""
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert smallest(node) == {"next": {"next": None}}


def test_minimums_are_taken_with_a_grain_of_salt() -> None:
    """A schema cannot ask for a billion items."""
    assert smallest({"type": "array", "minItems": 1_000_000_000}) == [None] * 1000
