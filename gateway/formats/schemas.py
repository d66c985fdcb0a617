"""JSON schemas in the shapes that providers insist on: what they accept stays the same, but where it is said.

Schemas that are nested beyond `_DEEPEST` are left as they are below that depth.
"""

from collections.abc import Callable, Mapping
from typing import Any

Schema = dict[str, Any]

_DEEPEST = 100
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SINGLE = (
    "items", "additionalProperties", "unevaluatedProperties", "propertyNames", "contains", "not", "if", "then", "else",
)  # fmt: skip
_LOCAL = ("#/$defs/", "#/definitions/")
# What OpenAI refuses at the top of a function's schema.
_NOT_ON_TOP = ("anyOf", "oneOf", "allOf", "enum", "not")


def whole(schema: Mapping[str, Any]) -> Schema:
    """The schema with `properties` in every object and `items` in every array: OpenAI refuses them without."""
    return _each(schema, _completed, _DEEPEST)


def with_lone_refs(schema: Mapping[str, Any]) -> Schema:
    """The schema without its dialect's mark, and with nothing but `description` and `default` beside a `$ref`.

    Gemini refuses all else there: annotations go, and so do further constraints.
    """
    return _each(schema, _lone, _DEEPEST)


def resolved_root(schema: Mapping[str, Any]) -> Schema:
    """The schema with the definition that its top level refers to in place of that `$ref`."""
    root = dict(schema)
    reference = root.get("$ref")
    for prefix in _LOCAL:
        if isinstance(reference, str) and reference.startswith(prefix):
            definitions = root.get(prefix[2:-1])
            target = definitions.get(reference.removeprefix(prefix)) if isinstance(definitions, dict) else None
            if isinstance(target, dict) and "$ref" not in target:
                return {**target, **{name: value for name, value in root.items() if name != "$ref"}}
    return root


def is_plain_object(schema: Mapping[str, Any]) -> bool:
    """Return whether the schema is an object at its top level, and no choice between several."""
    return schema.get("type", "object") == "object" and not any(name in schema for name in _NOT_ON_TOP)


def is_closed(schema: Mapping[str, Any]) -> bool:
    """Return whether every object of the schema allows for its own properties alone and requires them all."""
    found = [True]

    def look(node: Schema) -> Schema:
        if node.get("type") == "object" or "properties" in node:
            properties, required = node.get("properties"), node.get("required", [])
            names = set(properties) if isinstance(properties, dict) else set()
            listed = {each for each in required if isinstance(each, str)} if isinstance(required, list) else set()
            found[0] &= node.get("additionalProperties") is False and names == listed
        return node

    _each(schema, look, _DEEPEST)
    return found[0]


def _completed(node: Schema) -> Schema:
    kinds = node.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "object" in kinds and not isinstance(node.get("properties"), dict):
        node["properties"] = {}
    if "array" in kinds and "items" not in node and "prefixItems" not in node:
        node["items"] = {}
    return node


def _lone(node: Schema) -> Schema:
    node.pop("$schema", None)
    if not isinstance(node.get("$ref"), str):
        return node
    return {name: value for name, value in node.items() if name.startswith("$") or name in ("description", "default")}


def _each(schema: Mapping[str, Any], change: Callable[[Schema], Schema], depth: int) -> Schema:
    """A copy of the schema in which every schema, from the inside out, is what `change` makes of it."""
    node = dict(schema)
    if not depth:
        return node

    def inner(value: Any) -> Any:
        return _each(value, change, depth - 1) if isinstance(value, Mapping) else value

    for name in _SINGLE:
        if name in node:
            node[name] = inner(node[name])
    for name in _LISTED:
        if isinstance(node.get(name), list):
            node[name] = [inner(each) for each in node[name]]
    for name in _NAMED:
        if isinstance(node.get(name), Mapping):
            node[name] = {key: inner(each) for key, each in node[name].items()}
    return change(node)
