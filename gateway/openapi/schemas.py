"""JSON Schemas (2020-12) of views and of error bodies, made from what the gateway itself writes."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.calls import FormatName
from gateway.errors import CallerError, GatewayError, NotFound
from gateway.formats.registry import CLIENTS
from gateway.openapi.operation import JSON, Json, Schema

_SAMPLE_ID = "0" * 16
_STATUSES: Mapping[int, str] = {
    400: "The request cannot be understood, or a member is missing or wrong.",
    401: "The key or the token is missing or wrong.",
    403: "The key may not do this; without `keys`: the host, or the page that asks, is not allowed.",
    404: "Nothing of that name or id, or not for this key.",
    408: "The request did not arrive in time.",
    409: "Somebody was faster, or it was done before.",
    410: "It is over.",
    412: "The state was changed since it was read.",
    413: "The body is too large, or holds too many values.",
    414: "The request's first line is too long.",
    415: "The body is of another type than the endpoint takes.",
    429: "A limit of this key, of its group or of the agent has no room, or one of the provider's.",
    431: "The request's headers are too long.",
    500: "A fault of the gateway.",
    503: "The gateway is full, or needs its store, which is away.",
}


class Schemas:
    """The named schemas of a document. Every view that is asked for comes with those that it holds."""

    def __init__(self, views: Sequence[type]) -> None:
        from pydantic import TypeAdapter  # slow to import, and whoever reads no reference needs none

        asked: list[tuple[type, Any, TypeAdapter[Any]]] = [(each, "serialization", TypeAdapter(each)) for each in views]
        references, made = TypeAdapter.json_schemas(asked, ref_template="#/components/schemas/{model}")
        self._references = {kind: schema for (kind, _), schema in references.items()}
        self.refused: dict[str, Any] = {}
        self.named: dict[str, Any] = {name: _whole(schema) for name, schema in made["$defs"].items()}

    def write(self, schema: Schema | object) -> Any:
        """Return a schema in which references stand in place of views."""
        if isinstance(schema, type):
            return self._references[schema]
        if isinstance(schema, Mapping):
            return {name: self.write(each) for name, each in schema.items()}
        return [self.write(each) for each in schema] if isinstance(schema, list) else schema

    def add_refusal(self, dialect: FormatName, status: int) -> Json:
        """Return a reference to the answer with an error of that status, in the shape of a format."""
        words = "".join(map(str.capitalize, dialect.split("-")))
        name = f"{words}{status}"
        if name not in self.refused:
            self.named.setdefault(f"{words}Error", _error(dialect))
            content = {JSON: {"schema": {"$ref": f"#/components/schemas/{words}Error"}}}
            self.refused[name] = {"description": _STATUSES[status], "content": content}
        return {"$ref": f"#/components/responses/{name}"}


def views_in(schema: Schema | object) -> list[type]:
    """Return the views that a schema holds."""
    if isinstance(schema, type):
        return [schema]
    parts = schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ()
    return [view for part in parts for view in views_in(part)]


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a view's schema with every member as required: the gateway leaves none out."""
    properties = {name: _untitled(each) for name, each in schema.get("properties", {}).items()}
    return {**schema, "properties": properties, "required": list(properties)} if properties else schema


def _untitled(schema: Json) -> Json:
    """Return a member's schema without the title, which repeats its name."""
    return {name: each for name, each in schema.items() if name != "title"}


def _error(dialect: FormatName) -> Json:
    """Return the schema of what all error bodies of a format have in common."""
    write = CLIENTS[dialect].error
    samples = (
        NotFound("sample", param="sample"),
        CallerError("sample"),
        GatewayError("sample"),
    )
    return _common([orjson.loads(write(sample, _SAMPLE_ID)) for sample in samples])


def _common(values: Sequence[Any]) -> Json:
    """Return the schema that all the values satisfy: members that all have are required."""
    if all(isinstance(value, dict) for value in values):
        names = list(dict.fromkeys(name for value in values for name in value))
        required = [name for name in names if all(name in value for value in values)]
        properties = {name: _common([value[name] for value in values if name in value]) for name in names}
        return {"type": "object", "properties": properties, "required": required}
    if all(isinstance(value, list) for value in values):
        items = [item for value in values for item in value]
        return {"type": "array", "items": _common(items) if items else {}}
    kinds = sorted({_kind(value) for value in values})
    return {"type": kinds[0] if len(kinds) == 1 else kinds}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number" if isinstance(value, int | float) else "object"
