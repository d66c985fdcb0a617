"""Schemas as clients write them in Gemini's OpenAPI subset, as JSON schemas, which all formats take."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import LONGEST_SHOWN
from gateway.formats.gemini._members import camel, wrong

_DEEPEST = 64  # far beyond what any provider takes
_COUNTS = frozenset({"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"})
_ORDER = "propertyOrdering"


def json_schema(value: Any, path: str, depth: int = 0) -> dict[str, Any]:
    """The JSON schema that a `Schema` stands for. Raises CallerError for what is no object, or nested too deeply."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        raise wrong(path, "a schema" if depth <= _DEEPEST else "a schema that is nested less deeply")
    schema: dict[str, Any] = {}
    nullable = False
    for name, each in value.items():
        spelled = camel(name) if not name.startswith("$") else name
        if spelled == "nullable":
            nullable = each is True
        elif each is not None and spelled != _ORDER:
            schema[spelled] = _member(spelled, each, _within(path, spelled), depth)
    return _or_null(schema) if nullable else schema


def _member(name: str, value: Any, path: str, depth: int) -> Any:
    if name == "type" and isinstance(value, str):
        return value.lower()
    if name == "properties":
        if not isinstance(value, Mapping):
            raise wrong(path, "an object")
        return {key: json_schema(each, _within(path, key), depth + 1) for key, each in value.items()}
    if name == "anyOf" and isinstance(value, list):
        return [json_schema(each, path, depth + 1) for each in value]
    if name in ("items", "additionalProperties") and isinstance(value, Mapping):
        return json_schema(value, path, depth + 1)
    if name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)  # 64 bits are strings in protobuf's JSON
    return value


def _within(path: str, name: str) -> str:
    """Return a member's path as far as an error shows it: each member below a long name would copy all of it."""
    return path if len(path) >= LONGEST_SHOWN else f"{path}.{name[:LONGEST_SHOWN]}"


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema
