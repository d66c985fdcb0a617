"""Which JSON schemas a model can be held to."""

from typing import Any

import pytest

from gateway.formats.claude.schema import closed

LEAF = {"type": "object", "properties": {"a": {"type": "string"}}}
SHUT = {**LEAF, "additionalProperties": False}


def test_every_object_is_closed() -> None:
    """In properties, lists, variants and definitions, however deep."""
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": LEAF, "minItems": 1},
            "either": {"anyOf": [LEAF, {"type": "null"}]},
            "other": {"$ref": "#/$defs/leaf"},
            "when": {"type": "string", "format": "date-time"},
        },
        "$defs": {"leaf": LEAF},
    }
    assert closed(schema) == {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": SHUT, "minItems": 1},
            "either": {"anyOf": [SHUT, {"type": "null"}]},
            "other": {"$ref": "#/$defs/leaf"},
            "when": {"type": "string", "format": "date-time"},
        },
        "$defs": {"leaf": SHUT},
        "additionalProperties": False,
    }


def _deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        True, [], {"type": "object"}, {**LEAF, "additionalProperties": True}, {"type": "string", "minLength": 1},
        {"type": "array", "minItems": 2}, {"type": "string", "format": "iri"}, {"type": "string", "format": 7},
        {"additionalProperties": False}, {"type": "array", "items": True}, {"anyOf": [{"not": {}}]}, {"allOf": {}},
        {"type": "object", "properties": {"a": {"pattern": "."}}}, {"$defs": []}, _deep(40),
    ],
)  # fmt: skip
def test_a_schema_that_the_api_refuses_is_none(schema: Any) -> None:
    """Open objects, keywords and formats that it does not know, and what is no schema: it is emulated then."""
    assert closed(schema) is None
