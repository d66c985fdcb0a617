"""JSON schemas that Claude can be held to: closed objects and few keywords.

Source: "JSON Schema limitations" of Anthropic's structured outputs.
"""

from collections.abc import Mapping
from typing import Any

_KEYWORDS = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "allOf",
        "$ref", "$defs", "definitions", "title", "description", "default", "format", "minItems",
    }
)  # fmt: skip
# What says something about a schema and constrains nothing: `$schema` stands in all that zod writes.
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly", "contentMediaType"}
)  # fmt: skip
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # fmt: skip
_DEEPEST = 32  # also ends schemas that are nested to exhaust the stack


def closed(schema: Any) -> dict[str, Any] | None:
    """The schema with every object closed, which what satisfies it satisfies too; None for one that does not fit."""
    return _closed(schema, _DEEPEST)


def _closed(schema: Any, depth: int) -> dict[str, Any] | None:
    if not isinstance(schema, dict):
        return None
    schema = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
    if not depth or not _fits(schema):
        return None
    result = dict(schema)
    for name in ("properties", "$defs", "definitions"):
        if name in schema:
            result[name] = inner = _closed_members(schema[name], depth - 1)
            if inner is None:
                return None
    if "items" in schema:
        result["items"] = item = _closed(schema["items"], depth - 1)
        if item is None:
            return None
    for name in ("anyOf", "allOf"):
        if name in schema:
            result[name] = variants = _closed_variants(schema[name], depth - 1)
            if variants is None:
                return None
    if schema.get("type") == "object":
        result["additionalProperties"] = False
    return result


def _closed_members(members: Any, depth: int) -> dict[str, Any] | None:
    if not isinstance(members, dict):
        return None
    inner = {name: _closed(schema, depth) for name, schema in members.items()}
    return None if None in inner.values() else inner


def _closed_variants(variants: Any, depth: int) -> list[Any] | None:
    if not isinstance(variants, list):
        return None
    inner = [_closed(schema, depth) for schema in variants]
    return None if None in inner else inner


def _fits(schema: Mapping[str, Any]) -> bool:
    if not _KEYWORDS.issuperset(schema) or schema.get("minItems", 0) not in (0, 1):
        return False
    if "format" in schema and not (isinstance(schema["format"], str) and schema["format"] in _FORMATS):
        return False
    if schema.get("type") == "object":  # an object of any members could not be closed
        return bool(schema.get("properties")) and schema.get("additionalProperties", False) in (False, None)
    return "additionalProperties" not in schema
