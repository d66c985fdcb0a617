"""The OpenAPI 3.1 document of all operations.

Statuses that many operations share follow from who may ask, from parameters in the path and from the body; each says
when it comes. The server's own refusals are among them: they come before any endpoint is asked.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway import __version__
from gateway.formats.registry import CLIENTS
from gateway.openapi.callers import CALLERS
from gateway.openapi.calls import call_operations
from gateway.openapi.operation import TEXT, Access, Json, Operation, Tag
from gateway.openapi.operators import OPERATORS
from gateway.openapi.pages import PAGES
from gateway.openapi.schemas import Schemas, views_in
from gateway.webhook.signature import SIGNATURE

_ALWAYS = (400, 408, 414, 431, 500, 503)
_TAGS: Mapping[Tag, str] = {
    "calls": "Calls of models, in the client's own format.",
    "callers": "For applications, beside their calls.",
    "operators": "For operators: what happens, what happened, and what to do.",
    "reviewers": "For people who review answers.",
    "pages": "Pages, their files and forms.",
}
_KEY, _ADMIN, _BASIC, _METRICS, _SIGNED = "key", "admin", "password", "metrics", "signature"
_SECURITY: Mapping[Access, tuple[str, ...]] = {
    "caller": (_KEY,),
    "reader": (_KEY, _ADMIN, _BASIC),
    "admin": (_ADMIN,),
    "form": (_ADMIN, _BASIC),
    "metrics": (_METRICS, _ADMIN),
    "anyone": (),
}
_PARAMETER = re.compile(r"\{(\w+)\}")
_SIGNED_PATH = "/v1/escalations/{call_id}/reply"
_INTRODUCTION = (
    "Requests to models, and the gateway's own endpoints. Without `keys` in its configuration the gateway is open to "
    "programs of its own machine, and asks for no key. The bodies of calls are those of the providers' APIs: only what "
    "the gateway reads of them is described here."
)


def operations() -> list[Operation]:
    """Return all operations, ordered as they are described."""
    return [*call_operations(), *CALLERS, *OPERATORS, *PAGES]


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    found = operations()
    schemas = Schemas(list(dict.fromkeys(view for each in found for view in _views(each))))
    paths: dict[str, dict[str, Any]] = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Serinus", "version": __version__, "description": _INTRODUCTION},
        "tags": [{"name": name, "description": says} for name, says in _TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas.named, "responses": schemas.refused, "securitySchemes": _schemes()},
    }


def refusals(operation: Operation) -> list[int]:
    """Return the statuses with which an operation is refused, in order."""
    found = {*_ALWAYS, *operation.refusals}
    if operation.access != "anyone":
        found |= {401, 403}
    if _PARAMETER.search(operation.path):
        found.add(404)
    if operation.body:
        found.add(413)
    return sorted(found - operation.answers.keys())


def _views(operation: Operation) -> Iterator[type]:
    for answer in operation.answers.values():
        for schema in answer.contents.values():
            yield from views_in(schema)


def _operation(operation: Operation, schemas: Schemas) -> Json:
    responses: dict[str, Any] = {
        str(status): {"description": answer.says, **_content(answer.contents, schemas)}
        for status, answer in operation.answers.items()
    }
    responses |= {str(status): schemas.add_refusal(operation.dialect, status) for status in refusals(operation)}
    if operation.relays:
        responses["default"] = {"description": "The provider's answer, or why it has none, with the provider's status."}
    bodies = _content(operation.body, schemas)
    return {
        "operationId": _identifier(operation),
        "summary": operation.says,
        "tags": [operation.tag],
        **({"parameters": found} if (found := list(_parameters(operation))) else {}),
        **({"requestBody": {**bodies, "required": operation.method != "delete"}} if bodies else {}),
        "responses": responses,
        "security": _security(operation),
    }


def _content(contents: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    written = {kind: {"schema": schemas.write(schema)} for kind, schema in contents.items()}
    return {"content": written} if written else {}


def _parameters(operation: Operation) -> Iterator[Json]:
    for name in _PARAMETER.findall(operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
    for each in operation.parameters:
        required = {"required": True} if each.required else {}
        yield {"name": each.name, "in": each.place, "description": each.says, **required, "schema": each.schema}


def _security(operation: Operation) -> list[Json]:
    own = [_scheme(header) for header in CLIENTS[operation.dialect].facts.key_headers]
    names = [*_SECURITY[operation.access], *(own if operation.access == "caller" else ())]
    if operation.path == _SIGNED_PATH and operation.access == "admin":
        names.append(_SIGNED)
    return [{name: []} for name in names]


def _schemes() -> dict[str, Json]:
    """Return how each kind of credential is sent."""
    bearer: Json = {"type": "http", "scheme": "bearer"}
    own = {header for side in CLIENTS.values() for header in side.facts.key_headers}
    return {
        _KEY: {**bearer, "description": "A client's key."},
        **{_scheme(name): {"type": "apiKey", "in": "header", "name": name.decode()} for name in sorted(own)},
        _ADMIN: {**bearer, "description": "The operators' token."},
        _METRICS: {**bearer, "description": "The metrics token."},
        _BASIC: {"type": "http", "scheme": "basic", "description": "A key or the operators' token, as the password."},
        _SIGNED: {
            "type": "apiKey",
            "in": "header",
            "name": SIGNATURE.decode(),
            "description": "As webhooks are signed.",
        },
    }


def _scheme(header: bytes) -> str:
    return header.decode().replace("-", "_")


def _identifier(operation: Operation) -> str:
    words = re.findall(r"[A-Za-z0-9]+", operation.path)
    return "_".join([operation.method, *words])
