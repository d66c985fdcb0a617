"""What goes out to the client: a whole answer, or a stream that is relayed as it comes in.

Speaks ASGI by itself, because every chunk passes here. A stream that breaks after its first byte ends with an error
event and a closed connection, never like a whole one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from gateway.calls import Answer, Attempt
from gateway.document import encode
from gateway.errors import Headers, ProviderError, SerinusError
from gateway.providers.openai_stream import StreamReader
from gateway.upstream import Response

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_DRAIN_SECONDS = 0.5  # how long a finished stream may take to end its framing, so that its connection can be used again


class ClientTooSlow(Exception):
    """The client did not take what was sent to it in time."""


@dataclass(slots=True)
class OpenStream:
    """A provider's stream whose first part has come in. `close` lets go of the connection; it is safe to call twice."""

    headers: Headers
    first: bytes
    reader: StreamReader
    chunks: AsyncIterator[bytes]
    response: Response
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds: the longest silence between chunks, and the moment (monotonic) at which the whole call must end."""

    between_chunks: float
    deadline: float


async def send_answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def relay(send: Send, stream: OpenStream, headers: Headers, limits: StreamLimits) -> None:
    """Relay a stream to its end. Raises the ProviderError that broke it, after the client was told.

    Raises ClientTooSlow when the client held the stream up. The caller closes the stream, whatever happened.
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
    await _drain(stream)
    if stream.reader.failure:
        raise stream.reader.failure


async def close(stream: OpenStream) -> None:
    """Let go of the provider's connection; cancels what is still under way there."""
    await stream.response.aclose()


def error_event(error: SerinusError) -> bytes:
    """The server-sent event that tells an OpenAI client of an error inside a stream."""
    return b"data: " + error_body(error) + b"\n\n"


def error_body(error: SerinusError) -> bytes:
    """OpenAI's error body."""
    return encode(
        {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    ).encode()


def whole(answer: Answer, headers: Headers) -> Answer:
    """The answer with those headers behind its own."""
    return Answer(answer.status, [*answer.headers, *headers], answer.body)


async def _pump(send: Send, stream: OpenStream, limits: StreamLimits) -> None:
    """Hand on what comes in until the stream ends, fails or is silent for too long."""
    reader, sending = stream.reader, True
    try:
        async with asyncio.timeout(None) as limit:
            loop = asyncio.get_running_loop()
            await send({"type": "http.response.body", "body": stream.first, "more_body": True})
            while not (reader.done or reader.failure):
                sending = False
                left = min(limits.between_chunks, limits.deadline - monotonic())
                limit.reschedule(loop.time() + left)
                chunk = await anext(stream.chunks, None)
                if chunk is None:
                    return
                sending = True
                if relayed := reader.feed(chunk):
                    await send({"type": "http.response.body", "body": relayed, "more_body": True})
    except TimeoutError:
        if sending:
            raise ClientTooSlow from None
        raise ProviderError("timeout", "the provider's stream fell silent") from None


async def _drain(stream: OpenStream) -> None:
    """Read the stream's framing to its end, so that the connection can serve another call."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in stream.chunks:
                pass
    except (TimeoutError, ProviderError):
        return
