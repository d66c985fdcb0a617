"""The operations by which applications call models, made from what each client format says of its own endpoints."""

import re
from collections.abc import Iterator

from gateway.formats.door import Door
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.protocol import ClientSide
from gateway.formats.registry import CLIENTS
from gateway.openapi.operation import (
    ANYTHING,
    EVENTS,
    FORM,
    JSON,
    LIST,
    OBJECT,
    Json,
    Method,
    Operation,
    Parameter,
    Returns,
)
from gateway.openapi.operation import answers as answers_with

_FORWARDED: tuple[Method, ...] = ("get", "post", "put", "patch", "delete")
_ANY_BODY = {JSON: OBJECT, "multipart/form-data": OBJECT, FORM: OBJECT}
_NAMES_AGENT = "an agent, an alias, a plain model (`provider/model`), or `agent@version`"
_MODEL: Json = {"type": "string", "description": _NAMES_AGENT}
_AGENT = Parameter("model", f"The agent whose provider is asked: {_NAMES_AGENT}.")
_SENT_ON = {200: Returns("The provider's answer.", {JSON: {}, EVENTS: ANYTHING, "application/octet-stream": {}})}

_KEPT: tuple[tuple[Method, str, str, tuple[Parameter, ...]], ...] = (
    ("get", "", "Read an answer at the account that keeps it.",
     (Parameter("stream", "`true` streams the answer once more."),)),
    ("delete", "", "Delete an answer at the account that keeps it.", ()),
    ("post", "/cancel", "End an answer that is made in the background.", ()),
)  # fmt: skip
_UPLOADING: tuple[Method, ...] = ("post", "put")


def call_operations() -> Iterator[Operation]:
    """Yield the operations of all client formats, and those that are forwarded."""
    for side in CLIENTS.values():
        yield from _generation(side)
        yield from _kept(side)
        yield from _counted(side)
        yield from _of_others(side)
    for name, member, says in (
        ("completions", "prompt", "Complete a text at a provider of OpenAI's formats."),
        ("embeddings", "input", "Make embeddings at a provider of OpenAI's formats."),
    ):
        wanted: Json = {"type": "object", "properties": {"model": _MODEL, member: {}}, "required": ["model"]}
        contents = {JSON: OBJECT, EVENTS: ANYTHING}
        yield Operation(
            "post", f"/v1/{name}", says, "calls", "caller", {200: Returns("The answer.", contents)},
            body={JSON: wanted}, refusals=(404, 429), relays=True,
        )  # fmt: skip
    yield from _listed()
    for method in _FORWARDED:
        yield Operation(
            method, "/v1/{path}",
            "Forward any other endpoint of OpenAI's API to a provider that has it. With a header of another API's "
            "clients: that API's files, batches and the like. `path` may hold slashes.",
            "calls", "caller", _SENT_ON, parameters=(_AGENT,), body={} if method == "get" else _ANY_BODY,
            refusals=(415, 429), relays=True,
        )  # fmt: skip


def _generation(side: ClientSide) -> Iterator[Operation]:
    door = side.door
    for path in door.paths:
        for verb in door.verbs or ("",):
            yield Operation(
                "post", _written(path) + (f":{verb}" if verb else ""),
                f"Call an agent in the format of {door.title}."
                + (" `GET` with an upgrade opens a WebSocket." if door.tries_websocket else ""),
                "calls", "caller", {200: Returns("The answer, whole or streamed.", {JSON: OBJECT, EVENTS: ANYTHING})},
                body={JSON: _wanted(door, names_model="{" not in path)}, refusals=(404, 409, 429),
                dialect=side.name, relays=True,
            )  # fmt: skip


def _wanted(door: Door, *, names_model: bool) -> Json:
    """Return the schema of what routing reads of a request; all else is the format's own."""
    properties: dict[str, Json] = {}
    required: list[str] = []
    if names_model:
        properties |= {"model": _MODEL, "stream": {"type": ["boolean", "null"]}}
        required += [] if door.prompted is not None else ["model"]
    if door.array is not None:
        properties[door.array] = LIST
        required.append(door.array)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _kept(side: ClientSide) -> Iterator[Operation]:
    for path in side.door.paths if side.door.kept_at else ():
        for method, action, says, parameters in _KEPT:
            yield Operation(
                method, f"{path}/{{id}}{action}", says, "calls", "caller", _SENT_ON, parameters=parameters,
                body={} if method == "get" else _ANY_BODY, refusals=(415, 429), dialect=side.name, relays=True,
            )  # fmt: skip


def _counted(side: ClientSide) -> Iterator[Operation]:
    for path in side.counting.paths if side.counting is not None else ():
        wanted = OBJECT if "{" in path else _wanted(side.door, names_model=True)
        yield Operation(
            "post", _written(path), f"Count the tokens of a request in the format of {side.door.title}.",
            "calls", "caller", answers_with("The number of tokens.", OBJECT), body={JSON: wanted},
            refusals=(404, 429), dialect=side.name, relays=True,
        )  # fmt: skip


def _of_others(side: ClientSide) -> Iterator[Operation]:
    """Yield what is forwarded of a format's own API, beside the calls."""
    if (api := side.others) is None:
        return
    for prefix in api.prefixes:
        for verb in api.verbs:
            yield Operation(
                "post", f"{prefix}/{api.collection}{{agent}}:{verb}", f"Forward `{verb}` to the agent's provider.",
                "calls", "caller", _SENT_ON, body={JSON: OBJECT}, refusals=(415, 429), dialect=side.name, relays=True,
            )  # fmt: skip
    for method in _FORWARDED if api.prefix != "/v1" else ():
        yield Operation(
            method, f"{api.prefix}/{{path}}", "Forward any other endpoint of this API. `path` may hold slashes.",
            "calls", "caller", _SENT_ON, body={} if method == "get" else _ANY_BODY, refusals=(415, 429),
            dialect=side.name, relays=True,
        )  # fmt: skip
    for prefix in api.uploads.prefixes if api.uploads is not None else ():
        for method in _UPLOADING:
            yield Operation(
                method, f"{prefix}/{{path}}",
                "Begin a resumable upload, with a key; or go on with it, at the URL that the answer named.",
                "calls", "caller", _SENT_ON, body={"application/octet-stream": {}, JSON: OBJECT},
                refusals=(410, 415, 429), dialect=side.name, relays=True,
            )  # fmt: skip


def _listed() -> Iterator[Operation]:
    shared = [(path, CHAT) for path in ("/v1/models", "/v1/models/{model}")]
    own = [(path, side.name) for side in CLIENTS.values() if side.listing for path in side.listing.paths]
    for path, dialect in (*shared, *own):
        yield Operation(
            "get", _written(path), "Show one model." if "{" in path else "List what the key may call.", "calls",
            "caller", answers_with("In the shape of the client's own API.", OBJECT), refusals=(404,), dialect=dialect,
        )  # fmt: skip


def _written(path: str) -> str:
    """Return a route's pattern as OpenAPI writes it: a model in a path is an agent here."""
    return re.sub(r"\{model(?::path)?\}", "{agent}", path)
