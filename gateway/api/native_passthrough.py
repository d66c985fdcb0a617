"""Forward the other endpoints of a client format's API (files, batches) to a provider of that format.

The dialect of a request decides whose endpoint it means: `/v1/files` is Anthropic's for a client that sends
`anthropic-version`, and OpenAI's else.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.api.endpoint import Services
from gateway.api.generation import Asked
from gateway.api.own_urls import WithOwnUrls
from gateway.api.passthrough import READING, Passthrough, may_be_misread, spelled
from gateway.calls import Caller
from gateway.errors import LONGEST_SHOWN, Forbidden, NotFound
from gateway.formats.door import OtherEndpoints
from gateway.formats.protocol import ClientSide
from gateway.net.asgi import Receive, Scope, Send
from gateway.passthrough.forwarder import MODEL
from gateway.passthrough.providers import api_of
from gateway.passthrough.uploads import Held, UploadBody

_RESULTS = "/results"


class NativePassthrough(Passthrough):
    """The other endpoints of one format's API; errors are in its dialect."""

    def __init__(self, services: Services, client: ClientSide, others: OtherEndpoints) -> None:
        super().__init__(services, client, api_of(client, others.prefix))
        self._others = others

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._others.own_url is None or scope["path"].endswith(_RESULTS):
            await super().serve(scope, receive, send)
        else:
            await super().serve(scope, receive, WithOwnUrls(send, self._others.own_url, self._others.prefix))

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


class ModelVerb(NativePassthrough):
    """Requests to the model that the path names, by one of the format's verbs."""

    methods = ("POST",)
