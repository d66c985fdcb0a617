"""A client that leaves is noticed at once, whatever the application is doing meanwhile."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable

from gateway.net.asgi import Message, PlainReceive, PlainSend
from gateway.net.server import Departure, ServerLimits
from tests.gateway.net.server.stage import (
    GET,
    Client,
    Handler,
    Stage,
    answer,
    begin_stream,
    departure_of,
    eventually,
    stage,
)

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


class Witness:
    """Runs a handler and keeps the departures of the requests that it saw, and when they happened."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.departures: list[Departure] = []
        self.gone_at: list[float] = []

    async def __call__(self, scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        departure, left = departure_of(scope), asyncio.Event()

        def note() -> None:
            self.gone_at.append(time.monotonic())
            left.set()

        departure.when_gone(note)
        self.departures.append(departure)
        scope["state"]["left"] = left
        await self.handler(scope, receive, send)

    async def noticed(self, on: Stage, data: bytes, leave: Callable[[Client], object], wait: float = 0.1) -> None:
        """Wait for the callback, which comes by the client's leaving alone: no handler here ends by itself."""
        client = await on.connect()
        client.send(data)
        await eventually(lambda: bool(self.departures))
        await asyncio.sleep(wait)
        assert self.gone_at == []
        leave(client)
        await eventually(lambda: bool(self.gone_at))
        assert self.departures[0].gone


def close(client: Client) -> None:
    client.writer.close()


def half_close(client: Client) -> None:
    client.writer.write_eof()


async def waits(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
    await scope["state"]["left"].wait()


async def streams(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
    await begin_stream(send, b"one")
    await scope["state"]["left"].wait()


async def floods(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
    await begin_stream(send, b"one")
    while not departure_of(scope).gone:
        await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})


async def test_before_the_first_byte_without_receive() -> None:
    """The application waits for something else and never calls receive: the callback comes at once."""
    witness = Witness(waits)
    async with stage(witness) as on:
        await witness.noticed(on, GET, close)


async def test_reset() -> None:
    """A connection that is reset is as gone as one that is closed."""
    witness = Witness(waits)
    async with stage(witness) as on:
        await witness.noticed(on, GET, Client.vanish)


async def test_half_closed() -> None:
    """A client that closes its side while its answer is pending is taken to be gone."""
    witness = Witness(waits)
    async with stage(witness) as on:
        await witness.noticed(on, GET, half_close)


async def test_in_mid_stream() -> None:
    """Between two pieces of a stream."""
    witness = Witness(streams)
    async with stage(witness) as on:
        await witness.noticed(on, GET, close)


async def test_while_a_send_waits_for_a_slow_reader() -> None:
    """The client reads nothing, the application hangs in send: leaving frees it and calls back."""
    witness = Witness(floods)
    async with stage(witness) as on:
        await witness.noticed(on, GET, lambda client: client.vanish(), wait=0.3)
        await eventually(lambda: on.server.in_flight == 0)


async def test_application_that_does_nothing_but_send() -> None:
    """A write that fails is followed by the departure, even if the application never waits for anything but send."""
    client = socket.socket()
    sent: list[int] = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await begin_stream(send, b"one")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        while not departure_of(scope).gone and len(sent) < 1000:
            sent.append(1)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async with stage(app) as on:
        client.connect(("127.0.0.1", on.server.port))
        client.sendall(GET)
        await eventually(lambda: bool(sent))
        await eventually(lambda: on.server.in_flight == 0)
    assert len(sent) < 10


async def test_with_a_large_body_just_received() -> None:
    """A body that made the server pause reading does not hide the client's leaving once it is complete."""
    witness = Witness(waits)
    async with stage(witness) as on:
        data = POST + b"Content-Length: 200000\r\n\r\n" + bytes(200_000)
        await witness.noticed(on, data, close)


async def test_with_a_large_body_never_read() -> None:
    """Reading is paused for good since the application reads nothing: the leaving is noticed all the same."""
    witness = Witness(waits)
    async with stage(witness) as on:

        def send_more_and_leave(client: Client) -> None:
            client.send(bytes(20_000))
            client.writer.close()

        data = POST + b"Content-Length: 30000000\r\n\r\n" + bytes(100_000)
        await witness.noticed(on, data, send_more_and_leave)


async def test_with_requests_sent_ahead() -> None:
    """Requests queued behind the pending one, in bytes beyond what is taken, do not hide it either."""
    witness = Witness(waits)
    async with stage(witness) as on:
        await witness.noticed(on, GET * 3, close)
    witness = Witness(waits)
    async with stage(witness) as on:

        def send_more_and_leave(client: Client) -> None:
            client.send(GET * 5_000)
            client.writer.close()

        await witness.noticed(on, GET, send_more_and_leave)


async def test_requests_sent_ahead_do_not_begin_after_it() -> None:
    """What a client queued behind the answer that it did not wait for is not served to nobody."""
    witness = Witness(waits)
    async with stage(witness) as on:
        await witness.noticed(on, GET * 3, close)
        await eventually(lambda: on.server.connections == 0)
    assert len(witness.departures) == 1


async def test_write_timeout() -> None:
    """A client that takes nothing for the write timeout is cut off, which is a departure like any other."""
    witness = Witness(floods)
    async with stage(witness, ServerLimits(write_seconds=0.3)) as on:
        client = await on.connect()
        client.send(GET)
        await client.until(b"one")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        stalled = time.monotonic()
        await eventually(lambda: bool(witness.gone_at))
        assert witness.gone_at[0] - stalled > 0.25


async def test_write_timeout_after_the_last_byte_was_sent() -> None:
    """An answer wholly handed over, but not taken by the client, does not hold its connection for ever."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, bytes(20_000_000))

    async with stage(app, ServerLimits(write_seconds=0.3)) as on:
        client = await on.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await client.until(b"\r\n\r\n")
        await eventually(lambda: on.server.connections == 0)


async def test_slow_but_steady_reader_is_served() -> None:
    """A client slower than its stream, but never idle for the write timeout, gets all of it."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, bytes(12_000_000))

    async with stage(app, ServerLimits(write_seconds=0.3)) as on:
        client = await on.connect()
        client.send(GET)
        await client.until(b"\r\n\r\n")
        got = 0
        while got < 12_000_000:
            got += len(await client.reader.read(1_000_000))
            await asyncio.sleep(0.05)
    assert got == 12_000_000


async def test_not_after_a_complete_answer() -> None:
    """A client that leaves after its answer was complete has not departed."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, b"ok")
        await asyncio.sleep(0.1)

    witness = Witness(app)
    async with stage(witness) as on:
        client = await on.connect()
        client.send(GET)
        await client.answer()
        client.writer.close()
        await eventually(lambda: on.server.connections == 0)
    assert witness.gone_at == []
    assert not witness.departures[0].gone


async def test_application_left_alone_may_end_quietly() -> None:
    """After the departure receive says so, sends are dropped, and returning without an answer is no error."""
    said: list[str] = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await receive()
        said.append((await receive())["type"])
        await answer(send, b"to nobody")

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        await eventually(lambda: on.server.in_flight == 1)
        client.writer.close()
        await eventually(lambda: on.server.in_flight == 0)
    assert said == ["http.disconnect"]


def test_callback_after_the_fact() -> None:
    """Asked too late, a departure calls back at once; it calls once only."""
    departure, calls = Departure(), []
    departure.happen()
    departure.when_gone(lambda: calls.append(1))
    departure.happen()
    assert calls == [1]


def test_forgotten_callback() -> None:
    """Forgotten, the callback is never called; the last one set is the one that counts."""
    departure, calls = Departure(), []
    departure.when_gone(lambda: calls.append(1))
    departure.when_gone(lambda: calls.append(2))
    departure.forget()
    departure.happen()
    assert calls == []
