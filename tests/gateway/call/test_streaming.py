"""A stream on its way to a client that is slow, and from a provider that falls silent."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from bench.calibration.clock import VirtualLoop
from gateway.call.streaming import ClientTooSlow, OpenStream, StreamLimits, drain, relay
from gateway.calls import Attempt, Usage
from gateway.errors import Headers, ProviderError
from gateway.formats.clients import error_event
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.net.asgi import MessageSend
from gateway.net.client import Chunks, PulledChunks, join

PART = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Provided:
    """An answer whose chunks come after pauses, given in seconds."""

    status = 200
    headers: Headers = ()
    encoding = b""

    def __init__(self, *parts: float | bytes) -> None:
        self._parts = parts

    def chunks(self) -> Chunks:
        return PulledChunks(self._read())

    async def _read(self) -> AsyncGenerator[bytes, None]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                await asyncio.sleep(part)

    async def whole(self, limit: int) -> bytes:
        return await join(self.chunks(), limit)

    async def aclose(self) -> None:
        """Nothing is held."""


class Client:
    """What a client got; it takes each message after a pause."""

    def __init__(self, pause: float = 0.0) -> None:
        self.body = b""
        self.complete = False
        self._pause = pause

    async def send(self, message: Any) -> None:
        await asyncio.sleep(self._pause)
        self.body += message.get("body", b"")
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)


def opened(*parts: float | bytes) -> OpenStream:
    reader, response = StreamReader(False), Provided(*parts)
    first = reader.feed(PART)
    return OpenStream((), first, reader, response.chunks(), response, Attempt("t", 0.0), 396)


def event_of(error: ProviderError) -> bytes:
    return error_event(error, CHAT, "")


async def relayed(client: Client, stream: OpenStream, between: float, total: float = 9.0) -> None:
    await relay(MessageSend(client.send), stream, [], StreamLimits(between, total), event_of)
    await drain(stream)


def virtual_time() -> asyncio.Runner:
    """Runs on a clock that jumps to the next timer: nothing here waits for the world."""
    return asyncio.Runner(loop_factory=VirtualLoop)


async def test_whole_stream() -> None:
    """All of it arrives, and the answer is complete."""
    client = Client()
    await relayed(client, opened(PART, 0.05, PART, END), between=0.5)
    assert client.body == 3 * PART + END and client.complete


async def test_slow_client_is_not_a_silent_provider() -> None:
    """A client that takes its time between chunks does not use up the provider's time."""
    client = Client(pause=0.15)
    await relayed(client, opened(PART, 0.05, PART, END), between=0.1)
    assert client.complete


@pytest.mark.parametrize(("between", "total"), [(0.1, 9.0), (9.0, 0.1), (9.0, -1.0)])
def test_silent_provider(between: float, total: float) -> None:
    """Silence ends in time with an error event, and the answer stays incomplete."""
    client = Client()
    with pytest.raises(ProviderError) as caught, virtual_time() as runner:
        try:
            runner.run(relayed(client, opened(0.01, PART, 5.0), between, total))
        finally:
            seconds = runner.get_loop().time()
    assert caught.value.kind == "timeout" and seconds == pytest.approx(min(0.01 + between, max(total, 0.0)))
    assert client.body.endswith(event_of(caught.value)) and not client.complete


async def test_client_that_takes_nothing() -> None:
    """A client that holds the stream up beyond the call's deadline is given up, and the provider is not blamed."""
    with pytest.raises(ClientTooSlow):
        await relayed(Client(pause=0.2), opened(*([PART] * 50)), between=9.0, total=0.5)


def test_provider_that_does_not_end_its_framing() -> None:
    """The answer is complete with [DONE]; the wait for the end of the framing is half a second."""
    client = Client()
    with virtual_time() as runner:
        runner.run(relayed(client, opened(END, 5.0), between=9.0))
        assert client.complete and runner.get_loop().time() == pytest.approx(0.5)


async def test_usage_of_a_cut_stream() -> None:
    """What the provider has said counts once it has said all; until then it is an estimate."""
    stream = opened()
    stream.reader.feed(PART * 3)
    assert stream.usage == Usage(100, 0, 3, 0, estimated=True)
    assert isinstance(stream.reader, StreamReader)
    stream.reader.usage = Usage(7, 0, 5)
    assert stream.usage == Usage(7, 0, 5, estimated=True)
    stream.reader.finish = "stop"
    assert stream.usage == Usage(7, 0, 5)


@pytest.mark.parametrize("body", [b'{"error":\n{}}', b'{"error":\r\n{}}', b'{"error":\r{}}'])
def test_error_event_keeps_to_its_lines(body: bytes) -> None:
    """A provider's error in several lines is one event all the same."""
    event = event_of(ProviderError("error_in_answer", "m", body=body))
    assert event == b'data: {"error":\ndata: {}}\n\n'


class Moody(MessageSend):
    """A client that takes some pieces at once and others only in messages, as one does that is slow at times."""

    def __init__(self, client: Client, ready: list[bool]) -> None:
        super().__init__(client.send)
        self._client = client
        self._ready = ready

    def part(self, body: bytes) -> bool:
        ready = self._ready.pop(0) if self._ready else True
        if ready:
            self._client.body += body
        return ready


@pytest.mark.parametrize("ready", [[True] * 9, [False] * 9, [True, False, True, True, False, False], [False, True]])
async def test_a_client_that_is_ready_at_times(ready: list[bool]) -> None:
    """Every piece arrives once and in order, whichever way it went."""
    parts = [b'data: {"choices":[{"delta":{"content":"%d"},"finish_reason":null}]}\n\n' % number for number in range(9)]
    client = Client()
    await relay(Moody(client, ready), opened(*parts, END), [], StreamLimits(0.5, 9), event_of)
    assert client.body == PART + b"".join(parts) + END and client.complete
