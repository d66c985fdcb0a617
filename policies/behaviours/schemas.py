"""Violations of a JSON schema that are certain, found in bounded time.

Whoever writes the schema may be hostile. So only keywords are judged that cost no more than a look at the value:
`type`, `enum`, `const`, `required`, `properties`, `additionalProperties`, `items`, `prefixItems`, `anyOf`, `oneOf`,
`allOf` and a local `$ref`. All others (`pattern`, `format`, `if`, …) are left unjudged, and so is what takes too long.
Source: JSON Schema 2020-12; `nullable` and types in capitals are OpenAPI's, as Gemini writes them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

MOST_STEPS = 4_000  # looks at a value under a schema: about a millisecond
_DEEPEST = 64  # schemas inside one another, on the way of a reference, too
_PLAIN = (str, int, float, bool, type(None))
_LOCAL = "#/"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def violates(value: Any, schema: Any) -> bool:
    """Return whether the JSON value surely breaks the schema; False wherever that is not judged."""
    try:
        return _Judge(schema).breaks(value, schema, _DEEPEST)
    except _TooMuch:
        return False


class _TooMuch(Exception):
    """The schema takes more steps than it is judged for."""


class _Judge:
    """Judgement of one value: the schema's definitions, and the steps that are left."""

    __slots__ = ("_left", "_root")

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = MOST_STEPS

    def breaks(self, value: Any, schema: Any, depth: int) -> bool:
        """Return whether the value breaks a schema inside the whole. Raises _TooMuch."""
        self._spend(1)
        if not depth:
            raise _TooMuch
        if not isinstance(schema, dict):
            return schema is False  # the schema that nothing keeps to
        if value is None and schema.get("nullable") is True:
            return False
        if _breaks_type(value, schema.get("type")) or self._breaks_list(value, schema):
            return True
        return any(self.breaks(inner, part, depth - 1) for inner, part in self._inner(value, schema)) or (
            self._breaks_choice(value, schema, depth - 1)
        )

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _TooMuch

    def _breaks_list(self, value: Any, schema: Mapping[str, Any]) -> bool:
        """Return whether a list of values, or of required names, speaks against the value."""
        allowed = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(allowed, list):
            self._spend(len(allowed))
            judged = isinstance(value, _PLAIN) and all(isinstance(each, _PLAIN) for each in allowed)
            if judged and not any(_is_same(value, each) for each in allowed):
                return True
        required = schema.get("required")
        if not isinstance(value, dict) or not isinstance(required, list):
            return False
        self._spend(len(required))
        return any(isinstance(name, str) and name not in value for name in required)

    def _inner(self, value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
        """Yield the values inside, each with its schema; and the value itself with those that it must keep to, too."""
        for part in _listed(schema.get("allOf")):
            yield value, part
        reference = schema.get("$ref")
        if isinstance(reference, str) and (found := self._find(reference)) is not None:
            yield value, found
        if isinstance(value, dict):
            yield from self._members(value, schema)
        elif isinstance(value, list):
            yield from self._items(value, schema)

    def _members(self, value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
        named, others = schema.get("properties"), schema.get("additionalProperties", True)
        named = named if isinstance(named, dict) else {}
        if "patternProperties" in schema:  # which names those are is not judged
            others = True
        for name, each in value.items():
            self._spend(1)
            part = named.get(name, others)
            if part is not True:
                yield each, part

    @staticmethod
    def _items(value: list[Any], schema: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
        first, others = _listed(schema.get("prefixItems")), schema.get("items", True)
        yield from zip(value, first, strict=False)
        if isinstance(others, dict | bool) and others is not True:
            yield from ((each, others) for each in value[len(first) :])

    def _breaks_choice(self, value: Any, schema: Mapping[str, Any], depth: int) -> bool:
        """Return whether the value keeps to none of several schemas of which it must keep to one."""
        choices = (_listed(schema.get(name)) for name in ("anyOf", "oneOf"))
        return any(parts and all(self.breaks(value, part, depth) for part in parts) for parts in choices)

    def _find(self, reference: str) -> Any:
        """Return the schema that a local reference names; None for any other reference, which is not judged."""
        if reference == "#":
            return self._root
        if not reference.startswith(_LOCAL):
            return None
        found = self._root
        for name in reference.removeprefix(_LOCAL).split("/"):
            self._spend(1)
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _breaks_type(value: Any, wanted: Any) -> bool:
    names = wanted if isinstance(wanted, list) else [wanted]
    kinds = [name.lower() for name in names[: len(_TYPES)] if isinstance(name, str)]
    if not kinds or any(kind not in _TYPES for kind in kinds):
        return False
    return not any(_is_of_type(value, kind) for kind in kinds)


def _is_of_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):  # a bool is no number
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _is_same(value: Any, other: Any) -> bool:
    """Return whether two plain values are equal as JSON: true is not 1."""
    return value == other and isinstance(value, bool) is isinstance(other, bool)
