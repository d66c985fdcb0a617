"""Answers to the client: whole, or a stream that is relayed as it comes in.

Speaks ASGI by itself, because every chunk passes here. A stream that breaks after its first byte ends with an error
event and a closed connection, never like a whole one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from gateway.calls import Attempt, Usage, estimated_usage
from gateway.errors import Headers, ProviderError
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.formats.reader import Reader
from gateway.net.asgi import Send
from gateway.net.client import Chunks, Response

Follower = StreamReader | Reader
ErrorEvent = Callable[[ProviderError], bytes]

_HELD_BYTES = 1 << 20  # comments and the like, before the first part of an answer
_DRAIN_SECONDS = 0.5  # how long a finished stream may take to end its framing, so that its connection can be used again


class ClientTooSlow(Exception):
    """The client did not take what was sent to it in time."""


@dataclass(slots=True)
class OpenStream:
    """A provider's stream whose first part has come in. `close` lets go of the connection; it is safe to call twice."""

    headers: Headers
    first: bytes
    reader: Follower
    chunks: Chunks
    response: Response
    attempt: Attempt
    request_bytes: int = 0

    @property
    def usage(self) -> Usage:
        """Return the usage that the provider reported; an estimate until it has."""
        reader = self.reader
        if (said := reader.usage) is None:
            return estimated_usage(self.request_bytes, reader.tokens)
        if reader.done or reader.finish:
            return said
        return replace(said, output=max(said.output, reader.tokens), estimated=True)  # more was to come


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds: the longest silence between chunks, and what the whole call has left."""

    between_chunks: float
    left: float


async def first_part(reader: Follower, chunks: AsyncIterator[bytes]) -> bytes:
    """Read on until the first part of an answer is there: what is to be sent. Raises ProviderError."""
    held = b""
    while not reader.started and not reader.failure:
        chunk = await anext(chunks, None)
        held += reader.end() if chunk is None else reader.feed(chunk)
        if chunk is None:
            break
        if len(held) > _HELD_BYTES:
            raise ProviderError(
                "malformed", f"the provider's stream held no content in its first {_HELD_BYTES >> 20} MiB"
            )
    if reader.failure:
        raise reader.failure
    return held


async def send_answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer: at once where that is possible."""
    if send.answer(status, headers, body):
        return
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def relay(
    send: Send, stream: OpenStream, headers: Headers, limits: StreamLimits, error_event: ErrorEvent
) -> None:
    """Relay a stream to its last byte.

    Raises the ProviderError that broke it, after `error_event` has gone to the client, and ClientTooSlow when the
    client held it up. The caller closes the stream, whatever happened.
    """
    await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
    try:
        await _pump(send, stream, limits)
        rest = stream.reader.end()
        if stream.reader.failure and stream.reader.failure.kind != "bad_tool_arguments":
            raise stream.reader.failure
    except ProviderError as error:
        await send({"type": "http.response.body", "body": error_event(error), "more_body": True})
        raise
    await send({"type": "http.response.body", "body": rest})


async def close(stream: OpenStream) -> None:
    """Let go of the provider's connection; cancels what is still under way there."""
    await stream.response.aclose()


class _Patience:
    """Deadline of a stream's next event: `until`, which may be moved, and at most `end` (loop time, seconds). To move
    it is an assignment: one lazy timer serves the whole stream, and wakes often enough to see an earlier `until`.
    """

    __slots__ = ("_end", "_every", "_limit", "_loop", "_timer", "until")

    def __init__(self, limit: asyncio.Timeout, every: float, end: float) -> None:
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._every = every
        self._end = self.until = end
        self._timer = self._arm()

    def stop(self) -> None:
        self._timer.cancel()

    def _arm(self) -> asyncio.TimerHandle:
        return self._loop.call_at(min(self.until, self._end, self._loop.time() + self._every), self._look)

    def _look(self) -> None:
        if self._loop.time() >= min(self.until, self._end):
            self._limit.reschedule(self._loop.time())
        else:
            self._timer = self._arm()


async def _pump(send: Send, stream: OpenStream, limits: StreamLimits) -> None:
    """Hand on what comes in until the stream ends, fails or is silent for too long."""
    now = asyncio.get_running_loop().time
    reader, between, sending, left = stream.reader, limits.between_chunks, True, stream.first
    end = now() + limits.left
    at_once, pour = send.part, stream.chunks.pour

    def take(chunk: bytes) -> bool:
        """Hand a piece on; False where it is `left` because the client is not ready, and where it was the last."""
        nonlocal left
        relayed = reader.feed(chunk)
        if relayed and not at_once(relayed):
            left = relayed
            return False
        patience.until = now() + between
        return not (reader.done or reader.failure)

    try:
        async with asyncio.timeout(None) as limit:
            patience = _Patience(limit, between, end)
            try:
                while True:
                    if left and not at_once(left):
                        sending, patience.until = True, end  # a slow client uses up the call's time, not the provider's
                        await send({"type": "http.response.body", "body": left, "more_body": True})
                    if reader.done or reader.failure:
                        return
                    sending, left, patience.until = False, b"", now() + between
                    if not await pour(take):
                        return
            finally:
                patience.stop()
    except TimeoutError:
        if sending:
            raise ClientTooSlow from None
        silent = f"no data from the provider for {between:g} s"
        why = silent if now() < end else "the provider's stream did not end within the call's total time"
        raise ProviderError("timeout", why) from None


async def drain(stream: OpenStream) -> None:
    """Read a relayed stream's framing to its end, so that the connection can serve another call.

    Raises the ProviderError of an answer that was relayed whole all the same.
    """
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in stream.chunks:
                pass
    except (TimeoutError, ProviderError):
        pass
    if stream.reader.failure:
        raise stream.reader.failure
