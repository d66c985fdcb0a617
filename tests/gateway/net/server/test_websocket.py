"""WebSocket frames as clients send them, good and hostile, at an application that echoes messages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from wsproto.frame_protocol import Opcode

from gateway.net.asgi import Message, PlainReceive, PlainSend
from gateway.net.server import ServerLimits
from gateway.net.server.exchange import Exchange
from gateway.net.server.websocket import WebSocket, accept_key
from tests.gateway.net.server.stage import GET, departure_of, eventually, stage
from tests.support.websockets import raw, socket

TEXT, CONTINUATION, BINARY, CLOSE, PING = 1, 0, 2, 8, 9


@dataclass
class EchoSocket:
    """Echoes each message once `may_answer` is set; `gone` counts clients that left while one was in work."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    in_work: list[bytes] = field(default_factory=list)
    sockets: list[WebSocket] = field(default_factory=list)
    gone: int = 0

    async def __call__(self, scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        assert isinstance(send, Exchange) and send.task is not None
        departure_of(scope).when_gone(send.task.cancel)
        found = send.switch([(b"sec-websocket-accept", accept_key(dict(scope["headers"])))])
        assert isinstance(found, WebSocket)
        self.sockets.append(found)
        try:
            while (message := await found.receive()) is not None:
                self.in_work.append(message)
                await self.may_answer.wait()
                await found.send(message.decode())
                self.in_work.pop()
        except asyncio.CancelledError:
            self.gone += 1
            raise


@contextlib.asynccontextmanager
async def echoing(limits: ServerLimits | None = None, answers: bool = True) -> AsyncIterator[tuple[EchoSocket, str]]:
    echo = EchoSocket()
    if answers:
        echo.may_answer.set()
    async with stage(echo, limits or ServerLimits()) as on:
        yield echo, f"http://127.0.0.1:{on.server.port}/ws"


async def test_messages_and_pings() -> None:
    """A message comes whole or in fragments with a ping between them, which is answered at once. No extension is on."""
    async with echoing() as (_, url), socket(url) as client:
        assert client.status == 101 and b"sec-websocket-extensions" not in client.head
        client.writer.write(raw(TEXT, b'["a', fin=False) + raw(PING, b"p") + raw(CONTINUATION, b'b"]'))
        pong = await client.frame()
        assert (pong.opcode, pong.payload) == (Opcode.PONG, b"p")
        assert await client.event() == ["ab"]
        client.send(["x" * 200_000])
        assert await client.event() == ["x" * 200_000]


async def test_client_closes() -> None:
    """A close is answered with its own code, and the connection ends."""
    async with echoing() as (echo, url), socket(url) as client:
        client.writer.write(raw(CLOSE, (1000).to_bytes(2, "big")))
        assert await client.closed() == 1000
        await eventually(lambda: echo.gone == 1)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (raw(TEXT, b"{}", masked=False), 1002),
        (raw(BINARY, b"{}"), 1003),
        (raw(TEXT, b"\xff\xfe"), 1007),
        (raw(TEXT, b"\xc3", fin=False) + raw(CONTINUATION, b"x"), 1007),
        (raw(TEXT, b"x" * 1025), 1009),
        (raw(TEXT, b"x" * 1000, fin=False) + raw(CONTINUATION, b"x" * 25, fin=False), 1009),
        (bytes([0x81, 0xFF]) + b"\x7f" + b"\xff" * 7 + bytes(4) + b"x" * 2000, 1009),
        (raw(CONTINUATION, b"x"), 1002),
        (raw(TEXT, b"x", fin=False) + raw(TEXT, b"y"), 1002),
        (raw(PING, b"x" * 126), 1002),
        (raw(PING, b"x", fin=False), 1002),
        (raw(TEXT, b"x", bits=0x40), 1002),
        (raw(3, b"x"), 1002),
        (raw(CLOSE, b"x"), 1002),
    ],
)
async def test_hostile_frames(frames: bytes, code: int) -> None:
    """What breaks the protocol or a limit is closed with the code that says so, and reaches nobody."""
    async with echoing(ServerLimits(body_bytes=1024, linger_seconds=0.1)) as (echo, url), socket(url) as client:
        client.writer.write(frames)
        assert await client.closed() == code
        await eventually(lambda: echo.gone == 1)
        assert not echo.in_work


async def test_a_message_that_does_not_end() -> None:
    """A message has its time, and a socket on which nothing is asked for, too; pings do not count."""
    limits = ServerLimits(body_seconds=0.1, websocket_idle_seconds=0.1, linger_seconds=0.1, first_byte_seconds=0.1)
    for sent, code in ((raw(TEXT, b"x", fin=False), 1008), (raw(PING), 1001)):
        async with echoing(limits) as (_, url), socket(url) as client:
            client.writer.write(sent)
            assert await client.closed() == code


async def test_a_client_that_leaves() -> None:
    """The message in work is cancelled when its client closes, vanishes or breaks the protocol."""
    for leave in (raw(CLOSE), raw(BINARY, b"x"), b""):
        async with echoing(answers=False) as (echo, url), socket(url) as client:
            client.send("{}")
            await eventually(lambda: bool(echo.in_work))
            client.writer.write(leave) if leave else client.writer.transport.abort()
            await eventually(lambda: echo.gone == 1)


async def test_what_waits_is_bounded() -> None:
    """While a message is in work little more is read; it is served when its turn comes."""
    async with echoing(answers=False) as (echo, url), socket(url) as client:
        client.send("[1]")
        await eventually(lambda: bool(echo.in_work))
        for _ in range(20):
            client.send(["x" * 1_000_000])
        await asyncio.sleep(0.2)
        assert client.writer.transport.get_write_buffer_size() > 1_000_000
        echo.may_answer.set()
        assert [len(await client.event()) for _ in range(21)] == [1] * 21


async def test_tiny_frames() -> None:
    """However many frames come at once, each turn of the loop takes a few; a message of too many ends the socket."""
    largest, known = 0, 0
    async with echoing() as (echo, url), socket(url) as client:
        client.writer.write(raw(TEXT, b'"', fin=False) + raw(CONTINUATION, b"x", fin=False) * 6000)
        while known < 6001:
            await asyncio.sleep(0)
            size = len(echo.sockets[0]._partial)
            largest, known = max(largest, size - known), size
        client.writer.write(raw(CONTINUATION, b'"'))
        assert await client.event() == "x" * 6000 and largest <= 64
        client.writer.write(raw(TEXT, b'"', fin=False) + raw(CONTINUATION, b"", fin=False) * 16_384)
        assert await client.closed() == 1008


async def test_a_socket_at_rest_gives_way() -> None:
    """Where all connections are taken, the socket that rests is closed for a newcomer."""
    async with echoing(ServerLimits(max_connections=1, linger_seconds=0.1)) as (_, url), socket(url) as client:
        client.send("[1]")
        await client.event()
        async with socket(url) as newcomer:
            assert (newcomer.status, await client.closed()) == (101, 1013)


async def test_drain() -> None:
    """A socket at rest is closed with 1012 when the server drains, one with a message in work after its answer."""
    echo = EchoSocket()
    async with stage(echo) as on:
        url = f"http://127.0.0.1:{on.server.port}/ws"
        async with socket(url) as resting, socket(url) as busy:
            busy.send("[1]")
            await eventually(lambda: bool(echo.in_work))
            on.server.stop()
            assert await resting.closed() == 1012
            echo.may_answer.set()
            assert await busy.event() == [1]
            assert await busy.closed() == 1012


async def test_requests_before_and_a_handshake_with_more() -> None:
    """The handshake may follow other requests. One with a body, or with more behind it, is the GET that it is."""
    kinds: list[str] = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        kinds.append(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    asked = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    async with stage(app) as on:
        client = await on.connect()
        client.send(GET + asked + b"\r\n")
        assert [await client.answer() for _ in range(2)] == [(200, b"")] * 2
        client.send(asked + b"Content-Length: 1\r\n\r\nx" + asked + b"\r\n" + GET)
        assert [await client.answer() for _ in range(3)] == [(200, b"")] * 3
        client.send(asked.replace(b"GET", b"POST") + b"\r\n" + asked.replace(b"/1.1", b"/1.0") + b"\r\n")
        await client.rest()
    assert kinds == ["http", "websocket", "http", "http", "http", "http", "http"]
