"""Token counts of a conversation, asked at the version that would answer it, for formats that offer the question.

Not a call of a trial: nothing is booked, nothing falls back, no circuit hears of it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.api.endpoint import Services
from gateway.api.generation import Asked, Generation, model_of
from gateway.call.proxy import id_headers, version_headers
from gateway.call.streaming import send_answer
from gateway.calls import Call
from gateway.errors import ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.clients import error_body
from gateway.formats.door import Counting
from gateway.formats.estimate import estimate
from gateway.formats.protocol import ClientSide
from gateway.formats.settings import overlay
from gateway.headers import JSON, to_client_untyped
from gateway.net.asgi import Receive, Scope, Send
from gateway.net.client import Headers, Request
from gateway.runtime import Channel
from routing.agents import Timeouts
from routing.chain import Target

_LONGEST_ANSWER_BYTES = 1 << 20


class CountTokens(Generation):
    """Count tokens at the version's own provider, or estimate them where that provider speaks another format."""

    def __init__(self, services: Services, client: ClientSide, counting: Counting) -> None:
        super().__init__(services, client)
        self._counting = counting

    def asked(self, scope: Scope, values: Mapping[str, Any]) -> Asked:
        """Read what routing must know; where the path names the agent, the body says nothing of it."""
        if not self._counting.names_agent:
            return super().asked(scope, values)
        return model_of(scope["path_params"]["model"]), False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await self.read_call(scope, receive)
        runtime, entry = self.services.runtime, self.services.proxy.entry_of(call)
        version = self.services.proxy.plan_of(call, entry).version
        applied, channel = entry.applied[version.name].filled(call.values), runtime.channels[version.target.provider]
        headers = [*id_headers(call.id, call.request_id), *version_headers(call.agent, version.name)]
        if channel.endpoint.format != self.client.name:
            await send_answer(send, 200, [JSON, *headers], self._estimated(call, applied))
            return
        request = self._request(call, applied, channel, version.target)
        (await self.services.proxy.limits.admit_request(call.caller, runtime.prices)).keep()
        try:
            upstream, body = await self._ask(request, channel, entry.agent.timeouts or runtime.timeouts)
        except ProviderError as error:
            headers += to_client_untyped(error.headers)
            await send_answer(send, error.status, [JSON, *headers], error_body(error, self.client.name, call.id))
            return
        await send_answer(send, 200, [JSON, *headers, *to_client_untyped(upstream)], body)

    def _estimated(self, call: Call, applied: AppliedVersion) -> bytes:
        prompt = self.client.prompt(self._counting.asked(call.document.values))
        return self._counting.answer(estimate(overlay(prompt, applied.settings)))

    def _request(self, call: Call, applied: AppliedVersion, channel: Channel, target: Target) -> Request:
        """The client's question with the version put in. Raises CallerError where the model cannot be asked that."""
        changes = self._counting.changes(call.document, applied.settings, target.model)
        place = self._counting.provider_path.replace("{model}", quote(target.model, safe=""))
        path = channel.endpoint.base_path + place + (f"?{call.query}" if call.query else "")
        return channel.endpoint.request(path, call.headers, call.document.render(changes))

    async def _ask(self, request: Request, channel: Channel, timeouts: Timeouts) -> tuple[Headers, bytes]:
        """Return the headers and the body of the provider's answer. Raises ProviderError."""
        request.connect_seconds = timeouts.connect
        try:
            async with asyncio.timeout(timeouts.answer):
                response = await channel.send(request, _LONGEST_ANSWER_BYTES)
                try:
                    body = await response.whole(_LONGEST_ANSWER_BYTES)
                finally:
                    await response.aclose()
        except TimeoutError:
            message = f"the provider did not answer within {timeouts.answer:.3g} s"
            raise ProviderError("timeout", message) from None
        if response.status != 200:
            raise channel.endpoint.api.error(response.status, response.headers, body)
        self._counting.check(body)
        return response.headers, body
