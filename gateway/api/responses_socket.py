"""`GET /v1/responses` as a WebSocket: each `response.create` is a call of its own, one at a time.

A call takes the same steps as one over HTTP: its key, a place, assignment, chain, record. To the provider it is a
stream over HTTP. What is stored nowhere is remembered here, so that the next call may go on from it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gateway.api.continuation import continuation_of, input_items
from gateway.api.endpoint import CALLER, caller_of, named
from gateway.api.event_frames import EventFrames
from gateway.api.generation import Generation
from gateway.api.socket_memory import SocketMemory
from gateway.call.proxy import limit_headers
from gateway.calls import Call, Caller, Usage
from gateway.errors import (
    BodyTooLarge,
    CallerError,
    Headers,
    Overloaded,
    SerinusError,
    StoreAway,
    Unauthenticated,
    UpgradeRefused,
)
from gateway.formats.answer import Begin, End
from gateway.formats.marks import is_ours
from gateway.formats.openai_responses.client_request import PREVIOUS
from gateway.formats.prompt import Prompt
from gateway.formats.protocol import Envelope
from gateway.headers import EVENT_STREAM
from gateway.json_body import Document, array
from gateway.net.asgi import Receive, Scope, Send
from gateway.net.server.exchange import Exchange
from gateway.net.server.websocket import VERSION, WebSocket, accept_key
from gateway.overload.places import Share

MOST_SECONDS = 3600.0  # a socket takes no more calls after that, as at OpenAI: load spreads anew over replicas
_NORMAL, _POLICY, _INTERNAL = 1000, 1008, 1011  # RFC 6455, 7.4.1
_TOO_OLD = "websocket_connection_limit_reached"
_CANCEL = b"response.cancel"
_LONGEST_CANCEL = 4096  # bytes
_LONGEST_STREAM_ID = 256
_OWN_BETA = b"responses_websockets"
# Members of the frame that are no members of a request over HTTP.
_OF_FRAMES = ("type", "stream_id", "generate", "client_metadata")


class Cancelled(CallerError):
    """The client cancelled the response in work."""

    status = 499
    code = "response_cancelled"


class ResponsesSocket(Generation):
    """The handshake. `places` bounds the open sockets; each call takes a place of its own, too."""

    methods = ("GET",)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not isinstance(send, Exchange):
            raise UpgradeRefused(f"{scope['path']} over WebSocket is not offered; send POST with stream: true")
        proof = accept_key(named(scope))
        socket = send.switch([(b"sec-websocket-accept", proof)])
        if socket is None:
            return
        memory = SocketMemory(self.services.memories)
        try:
            await _Session(self, scope, socket, memory).run()
        finally:
            memory.close()
            socket.close(_INTERNAL)

    def places(self, caller: Caller) -> Share:
        return self.services.sockets.of(caller.name)

    def _error_headers(self, error: SerinusError) -> list[tuple[bytes, bytes]]:
        headers = super()._error_headers(error)
        return [*headers, (b"sec-websocket-version", VERSION)] if isinstance(error, UpgradeRefused) else headers

    def call_of(self, scope: Scope, document: Document, body: bytes, received_at: float) -> Call:
        """The document as a call of whoever has the key now. Raises CallerError."""
        caller = caller_of(scope)
        self.check(document.values, body, caller)
        return self._call(scope, named(scope), document, caller, received_at)


class _Session:
    """The calls on one socket."""

    def __init__(self, endpoint: ResponsesSocket, scope: Scope, socket: WebSocket, memory: SocketMemory) -> None:
        self._endpoint = endpoint
        self._services = endpoint.services
        self._scope = {**scope, "headers": [pair for pair in scope["headers"] if not _is_of_handshake(*pair)]}
        self._socket = socket
        self._memory = memory
        self._now = endpoint.services.proxy.clock.monotonic
        self._ends_at = self._now() + MOST_SECONDS

    async def run(self) -> None:
        """Serve one message after the other until the socket ends."""
        while (message := await self._socket.receive()) is not None:
            frames = EventFrames(self._socket)
            try:
                await self._serve(message, frames)
            except SerinusError as error:
                id_, caller = self._services.new_nonce().hex(), self._scope.get(CALLER)
                self._services.refusals.note(error, self._scope, named(self._scope), id_, caller)
                await frames.fail(error, self._headers_of(error))
                if error.code == _TOO_OLD:
                    self._socket.close(_NORMAL, error.message)
                elif isinstance(error, Unauthenticated):
                    self._socket.close(_POLICY, error.message)
            if not frames.ended:  # the client took its answer too slowly
                self._socket.close(_POLICY, "the response was not taken in time")

    async def _serve(self, message: bytes, frames: EventFrames) -> None:
        """Serve one message. Raises CallerError, Overloaded."""
        received_at = self._now()
        if received_at > self._ends_at:
            raise CallerError("the socket is an hour old: open another one", code=_TOO_OLD)
        self._scope[CALLER] = self._endpoint.authenticate(self._scope)
        with self._services.calls.of(caller_of(self._scope).name):
            event = Document.parse(message, self._services.runtime.values_limit)
            frames.stream_id = _stream_id(event.values)
            _check_type(event.values)
            body, items = self._request(event)
            document = Document.parse(body, self._services.runtime.values_limit)
            if (references := self._endpoint.client.door.references) is not None:
                document = await self._endpoint.with_items(document, caller_of(self._scope), references)
            call = self._endpoint.call_of(self._scope, document, body, received_at)
            if event.values.get("generate") is False:
                await self._warm_up(call, frames)
            else:
                await self._work(call, frames)
        if frames.last is not None and (end := continuation_of(frames.last)):
            self._memory.keep(end.name, [*items, *end.items])

    def _request(self, event: Document) -> tuple[bytes, list[str]]:
        """Return the request as it would come over HTTP, and all of the conversation that is known by then."""
        changes: dict[str, str | None] = {**dict.fromkeys(_OF_FRAMES), "stream": "true"}
        previous = event.values.get(PREVIOUS)
        known = self._memory.find(previous)
        if known is None and is_ours(previous):
            message = f"response {previous!r} is not known on this socket: send the whole conversation as input"
            raise CallerError(message, code="previous_response_not_found", param=PREVIOUS)
        items = [*(known or ()), *input_items(event)]
        if known is not None:
            changes |= {PREVIOUS: None, "input": array(items)}
        body = event.render(changes)
        if len(body) > self._socket.most_bytes:
            raise BodyTooLarge(f"The conversation is larger than {self._socket.most_bytes} bytes.")
        return body, items

    async def _work(self, call: Call, frames: EventFrames) -> None:
        """Serve the call. Raises CallerError, Cancelled where the client does not want the response any more."""
        socket, loop = self._socket, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                socket.listen(_Cancelling(frames, lambda: limit.reschedule(loop.time())))
                runtime = self._services.runtime
                send = self._endpoint.learning_maker(call, frames) if runtime.doorkeeper.has_limited else frames
                await self._services.proxy.handle(call, runtime, send)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Cancelled("the client cancelled the response") from None
        finally:
            socket.listen(None)

    async def _warm_up(self, call: Call, frames: EventFrames) -> None:
        """Answer with an empty response, to go on from: no provider is asked. Raises UnknownModel."""
        entry = self._services.proxy.entry_of(call)
        model = call.agent if entry.plain is None else entry.plain.version.target.model
        created = int(self._services.proxy.clock.unix())
        envelope = Envelope(call.id, model, created, Prompt((), stream=True), echo=call.prompt)
        writer = self._endpoint.client.writer(envelope)
        events = writer.write(Begin(usage=Usage())) + writer.write(End(usage=Usage()))
        await frames({"type": "http.response.start", "status": 200, "headers": [EVENT_STREAM]})
        await frames({"type": "http.response.body", "body": events})

    def _headers_of(self, error: SerinusError) -> Headers:
        if isinstance(error, Overloaded | StoreAway):
            return [(b"retry-after", b"1")]
        return limit_headers(error, self._endpoint.client.name)


class _Cancelling:
    """Hears `response.cancel` while a response is in work; anything else waits."""

    def __init__(self, frames: EventFrames, cancel: Callable[[], None]) -> None:
        self._frames = frames
        self._cancel = cancel

    def __call__(self, message: bytes) -> bool:
        if len(message) > _LONGEST_CANCEL or _CANCEL not in message:
            return False
        try:
            event = Document.parse(message).values
        except CallerError:
            return False
        if event.get("type") != "response.cancel" or event.get("response_id") not in (None, self._frames.response_id):
            return False
        self._cancel()
        return True


def _is_of_handshake(name: bytes, value: bytes) -> bool:
    """Return whether a header speaks of the socket, and not of the calls on it."""
    return name.startswith(b"sec-websocket-") or (name == b"openai-beta" and _OWN_BETA in value)


def _stream_id(event: Mapping[str, Any]) -> str | None:
    """Return the name that the client gave to a line of calls; events carry it. Raises CallerError."""
    name = event.get("stream_id")
    if name is None or (isinstance(name, str) and len(name) <= _LONGEST_STREAM_ID):
        return name
    raise CallerError(f"'stream_id' must be a string of at most {_LONGEST_STREAM_ID} characters", param="stream_id")


def _check_type(event: Mapping[str, Any]) -> None:
    if event.get("type") == "response.cancel":
        raise CallerError("no response is in work", code="response_not_active")
    if event.get("type") != "response.create":
        raise CallerError("'type' must be response.create or response.cancel", param="type")
    if event.get("background"):
        raise CallerError("'background' is not offered over WebSocket", param="background")
