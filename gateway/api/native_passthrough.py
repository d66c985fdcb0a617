"""Forward the other endpoints of a client format's API to a provider of that very format: its files, its batches.

The dialect of a request decides whose endpoint it means: `/v1/files` is Anthropic's for a client that sends
`anthropic-version`, and OpenAI's else.
"""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

from gateway.api.endpoint import Endpoint, Services
from gateway.api.generation import Asked
from gateway.api.near_misses import LONGEST_SHOWN
from gateway.api.passthrough import READING, Passthrough, may_be_misread, spelled
from gateway.calls import Caller
from gateway.errors import Forbidden, NotFound
from gateway.formats.door import OtherEndpoints
from gateway.formats.protocol import ClientSide
from gateway.net.asgi import Message, MessageSend, Receive, Scope, Send
from gateway.passthrough.forwarder import MODEL, Forwarder
from gateway.passthrough.providers import api_of
from gateway.passthrough.uploads import Held, UploadBody

_RESULTS = "/results"
_MOST_BYTES = 8 << 20  # of JSON that is looked through; a list of a thousand batches takes a tenth


class NativePassthrough(Passthrough):
    """The other endpoints of one format's API; errors are in its dialect."""

    def __init__(self, services: Services, client: ClientSide, others: OtherEndpoints) -> None:
        Endpoint.__init__(self, services, client)
        self._others = others
        self._forwarder = Forwarder(services.proxy, services.log, api_of(client, others.prefix))

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._others.own_url is None or scope["path"].endswith(_RESULTS):
            await super().serve(scope, receive, send)
        else:
            await super().serve(scope, receive, _WithOwnUrls(send, self._others.own_url, self._others.prefix))

    def admit(self, caller: Caller, method: str, path: str) -> str:
        rest = self._others.behind(path)
        if rest is not None and not may_be_misread(path) and (found := self._others.model_in(rest)) is not None:
            return f"/{self._others.collection}{MODEL}:{found[1]}"
        if rest is None or may_be_misread(path) or not self._others.takes(rest):
            raise NotFound(f"there is nothing at {path[:LONGEST_SHOWN]!r}", code="unknown_url")
        if caller.is_limited and method not in READING and self._others.may_run_any_model(rest):
            raise Forbidden(f"this key is limited to some agents, and {path[:LONGEST_SHOWN]!r} runs any model")
        return spelled(rest)

    def agent_in(self, path: str) -> str | None:
        found = self._others.model_in(self._others.behind(path) or "") if self._others.verbs else None
        return None if found is None else found[0]

    def may_nest_models(self, path: str) -> bool:
        return self._others.may_run_any_model(path)

    def shaped(self, body: UploadBody) -> UploadBody:
        return replace(body, collection=self._others.collection) if isinstance(body, Held) else body

    def asked(self, scope: Scope, values: Mapping[str, Any]) -> Asked:
        model = values.get("model")
        named = model.removeprefix(self._others.collection) if isinstance(model, str) else model
        return super().asked(scope, {**values, "model": named})


class _WithOwnUrls(MessageSend):
    """Send an answer; URLs of the provider in its JSON become paths of ours, or clients would take their key there."""

    def __init__(self, send: Send, url: re.Pattern[bytes], prefix: str) -> None:
        super().__init__(send)
        self._url = url
        self._own = b"\\g<mark>" + prefix.encode() + b"\\g<path>"
        self._start: Message | None = None
        self._kept = b""

    def __call__(self, message: Message, /) -> Awaitable[None]:
        if message["type"] == "http.response.start" and _is_json(message):
            self._start = message
            return _nothing()
        if self._start is None:
            return super().__call__(message)
        self._kept += message.get("body", b"")
        if message.get("more_body", False) and len(self._kept) <= _MOST_BYTES:
            return _nothing()
        return self._send_all(more=message.get("more_body", False))

    async def _send_all(self, more: bool) -> None:
        """Send what was held back, with our own URLs."""
        assert self._start is not None, "an answer begins with its head"  # noqa: S101
        start, body, self._start = self._start, self._url.sub(self._own, self._kept), None
        start["headers"] = [pair for pair in start["headers"] if pair[0] != b"content-length"]
        await super().__call__(start)
        await super().__call__({"type": "http.response.body", "body": body, "more_body": more})


def _is_json(message: Message) -> bool:
    return any(name == b"content-type" and b"json" in value[:32] for name, value in message["headers"])


async def _nothing() -> None:
    """Send nothing yet."""
