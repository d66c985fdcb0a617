"""`POST /v1/chat/completions`: a request becomes a Call."""

import re
from time import monotonic
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.api.services import Endpoint, header, read_body
from gateway.calls import Call, Caller
from gateway.document import Document
from gateway.errors import CallerError, Forbidden, UnsupportedBody
from gateway.headers import query_to_provider, to_provider
from gateway.runtime import Runtime
from gateway.units import CONVERSATION_HEADERS

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class ChatCompletions(Endpoint):
    """Chat completions, JSON and SSE."""

    methods = ("POST",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = self.services.runtime.doorkeeper.caller(header(scope, b"authorization"))
        _check_type(scope)
        body = await read_body(receive)
        received_at = monotonic()  # not before: how fast a client sends says nothing about a version
        call = self._call(scope, Document.parse(body), caller, received_at)
        await self.services.proxy.handle(call, self.services.runtime, send)  # as it is now, like the table

    def _call(self, scope: Scope, document: Document, caller: Caller, received_at: float) -> Call:
        runtime, values = self.services.runtime, document.values
        agent, pin = _model(values.get("model"))
        if not caller.may_call(agent):
            raise Forbidden(f"this key may not call {agent!r}", param="model")
        stream = _stream(values.get("stream"))
        _check_messages(values.get("messages"))
        given, nonce = _given_id(scope), self.services.new_nonce()
        return Call(
            id=nonce.hex() if given is None else given,
            nonce=nonce if given is None else None,
            caller=caller,
            agent=agent,
            pin=pin,
            document=document,
            stream=stream,
            wants_usage=_wants_usage(values.get("stream_options")),
            headers=to_provider(scope["headers"], runtime.forward),
            query=query_to_provider(scope["query_string"]),
            received_at=received_at,
            conversation_header=_conversation_header(scope),
            fingerprint_key=runtime.fingerprint_key,
            facts_headers=_facts_headers(scope, runtime),
        )


def _given_id(scope: Scope) -> str | None:
    """The id that the client chose, unless it is an odd one."""
    given = header(scope, b"x-request-id")
    return given.decode() if given is not None and _SANE_ID.fullmatch(given) else None


def _check_type(scope: Scope) -> None:
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedBody("send the body without a content encoding")


def _model(value: Any) -> tuple[str, str | None]:
    """The agent, and the version that `agent@version` pins."""
    if not isinstance(value, str) or not value:
        raise CallerError("'model' is missing or is not a string: name an agent", param="model")
    agent, mark, version = value.partition("@")
    return agent, version if mark else None


def _stream(value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise CallerError("'stream' must be true or false", param="stream")


def _check_messages(value: Any) -> None:
    if not isinstance(value, list):
        raise CallerError("'messages' is missing or is not an array", param="messages")


def _wants_usage(options: Any) -> bool:
    return isinstance(options, dict) and options.get("include_usage") is True


def _conversation_header(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name in CONVERSATION_HEADERS and value:
            text: str = value.decode("latin-1")
            return text
    return ""


def _facts_headers(scope: Scope, runtime: Runtime) -> dict[str, str]:
    if not runtime.facts_headers:
        return {}
    wanted = runtime.facts_headers
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in wanted}
