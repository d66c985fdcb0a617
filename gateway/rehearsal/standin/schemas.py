"""The smallest value that fits a JSON schema: what a model under `response_format` or tool parameters would write.

Covers what SDKs generate from classes: types, enum, const, $ref, anyOf, oneOf, allOf, required, bounds, formats.
`pattern` is left out. What is no schema at all fits null: refusing schemas is not this module's business.
"""

import math
from collections.abc import Mapping

DEEPEST = 32  # levels; below them everything is null
LONGEST = 1000  # items or letters that a minimum can ask for

FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "canary@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}

Schema = Mapping[str, object]


def smallest(schema: object) -> object:
    """A JSON value that fits `schema`."""
    return SchemaReader(schema).value(schema, 0, frozenset())


class SchemaReader:
    """Reader of one schema; its `$ref`s point into `root`."""

    def __init__(self, root: object) -> None:
        self._root = root

    def value(self, schema: object, depth: int, inside: frozenset[str]) -> object:
        """`inside` are the references being followed: one that needs itself has no smallest value and ends as null."""
        if not isinstance(schema, Mapping) or depth > DEEPEST:
            return None
        if "const" in schema:
            return schema["const"]
        if choices := _list(schema.get("enum")):
            return choices[0]
        if isinstance(ref := schema.get("$ref"), str):
            return None if ref in inside else self.value(self._resolve(ref), depth + 1, inside | {ref})
        if parts := _list(schema.get("allOf")):
            return self.value(self._merged(parts), depth + 1, inside)
        if options := _list(schema.get("anyOf")) or _list(schema.get("oneOf")):
            return self.value(_easiest(options), depth + 1, inside)
        return self._of_type(schema, depth, inside)

    def _of_type(self, schema: Schema, depth: int, inside: frozenset[str]) -> object:
        kind = _kind(schema)
        if kind == "object":
            known, names = _map(schema.get("properties")), _list(schema.get("required"))
            return {name: self.value(known.get(name), depth + 1, inside) for name in names if isinstance(name, str)}
        if kind == "array":
            return [self.value(schema.get("items"), depth + 1, inside)] * _count(schema.get("minItems"))
        if kind == "string":
            return FORMATS.get(str(schema.get("format")), "").ljust(_count(schema.get("minLength")), "x")
        if kind in ("integer", "number"):
            return _number(schema)
        return False if kind == "boolean" else None

    def _resolve(self, ref: str) -> object:
        found = self._root
        for part in ref.removeprefix("#").split("/")[1:]:
            found = _map(found).get(part.replace("~1", "/").replace("~0", "~"))
        return found

    def _merged(self, parts: list[object]) -> Schema:
        """Merge the parts of `allOf` into one schema: later words win, properties and required names add up."""
        merged: dict[str, object] = {}
        properties: dict[str, object] = {}
        required: list[object] = []
        for part in map(_map, parts):
            found = _map(self._resolve(str(part["$ref"]))) if "$ref" in part else part
            merged |= found
            properties |= _map(found.get("properties"))
            required += _list(found.get("required"))
        return merged | ({"properties": properties, "required": required} if properties else {})


def _kind(schema: Schema) -> object:
    kind = schema.get("type", "object" if "properties" in schema else "null")
    if isinstance(kind, list):
        return "null" if "null" in kind or not kind else kind[0]
    return kind


def _easiest(options: list[object]) -> object:
    """Null when it may be null, which also ends a recursion; otherwise the first option."""
    return next((each for each in options if _map(each).get("type") == "null"), options[0])


def _number(schema: Schema) -> float:
    """The number nearest to zero within the bounds, on the grid of multipleOf; whole unless only a fraction fits."""
    low, high = _low(schema), _high(schema)
    if low is not None and high is not None and low > high:
        return (_real(schema.get("minimum", low)) + _real(schema.get("maximum", high))) / 2
    step = abs(_real(schema.get("multipleOf"))) or 1
    if low is not None and low > 0:
        return math.ceil(low / step) * step
    if high is not None and high < 0:
        return math.floor(high / step) * step
    return 0


def _low(schema: Schema) -> int | None:
    """The least whole number that the lower bounds allow."""
    found = [math.ceil(_real(schema["minimum"]))] if "minimum" in schema else []
    found += [math.floor(_real(schema["exclusiveMinimum"])) + 1] if "exclusiveMinimum" in schema else []
    return max(found, default=None)


def _high(schema: Schema) -> int | None:
    """The greatest whole number that the upper bounds allow."""
    found = [math.floor(_real(schema["maximum"]))] if "maximum" in schema else []
    found += [math.ceil(_real(schema["exclusiveMaximum"])) - 1] if "exclusiveMaximum" in schema else []
    return min(found, default=None)


def _real(value: object) -> float:
    return value if isinstance(value, int | float) and abs(value) < 1e15 else 0


def _count(value: object) -> int:
    return max(0, min(int(_real(value)), LONGEST))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _map(value: object) -> Schema:
    return value if isinstance(value, Mapping) else {}
