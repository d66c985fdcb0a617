"""Operations of the HTTP interface, as data.

Only what differs is said here. The statuses that all operations of a kind share follow from `access`, from the path's
parameters and from the body (`gateway.openapi.document`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.calls import FormatName
from gateway.formats.openai_chat import NAME as CHAT

Json = Mapping[str, Any]
Schema = Json | type  # a schema as it is written, or a view whose schema is made of its members
Method = Literal["get", "post", "put", "patch", "delete"]
Tag = Literal["calls", "callers", "operators", "reviewers", "pages"]
# Who may ask: holders of a client's key; those or the operator; the operator; the page that the gateway itself served;
# whoever has the metrics token; anyone.
Access = Literal["caller", "reader", "admin", "form", "metrics", "anyone"]

JSON, HTML, FORM = "application/json", "text/html", "application/x-www-form-urlencoded"
EVENTS = "text/event-stream"
ANYTHING: Json = {}
TEXT: Json = {"type": "string"}
OBJECT: Json = {"type": "object"}
LIST: Json = {"type": "array"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, or a header where `place` says so."""

    name: str
    says: str
    schema: Json = field(default_factory=lambda: TEXT)
    place: Literal["query", "header"] = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Returns:
    """Answer of one status: its meaning, and its schemas by content type."""

    says: str
    contents: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method at a path, whose parameters are named in braces.

    `body` are the schemas of the request's body by content type. `refusals` are further statuses, whose body is an
    error in the shape of `dialect`. With `relays` the answer may also be a provider's, of any status.
    """

    method: Method
    path: str
    says: str
    tag: Tag
    access: Access
    answers: Mapping[int, Returns]
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()
    dialect: FormatName = CHAT
    relays: bool = False


def answers(says: str, schema: Schema) -> Mapping[int, Returns]:
    """Return the answer of 200 in JSON."""
    return {200: Returns(says, {JSON: schema})}


def answers_or_page(says: str, schema: Schema) -> Mapping[int, Returns]:
    """Return the answer of 200 in JSON, or as a page for a browser."""
    return {200: Returns(f"{says}; a page where `Accept` has `text/html`", {JSON: schema, HTML: TEXT})}


def members(required: tuple[str, ...] = (), /, **properties: Json) -> Json:
    """Return the schema of an object with these members, and perhaps others."""
    return {"type": "object", "properties": properties, "required": list(required)}


def or_null(schema: Json) -> Json:
    """Return the schema of a value that may be missing."""
    return {"anyOf": [schema, {"type": "null"}]}
