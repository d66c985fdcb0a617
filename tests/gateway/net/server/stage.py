"""What the transcripts need: applications that remember what reached them, a running server, a client of bytes."""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from gateway.net.asgi import ASGIApp, Message, PlainReceive, PlainSend
from gateway.net.server import EXTENSION, Departure, Server, ServerLimits

Handler = Callable[[Message, PlainReceive, PlainSend], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PATIENCE = 5.0


def application(handler: Handler) -> ASGIApp:
    """An ASGI application around a handler of http scopes, with a lifespan that has nothing to do."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
        else:
            await handler(scope, receive, send)

    return app


@dataclass
class Echo:
    """Answers with the request's path and body; keeps what reached it."""

    scopes: list[Message] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    departed: list[str] = field(default_factory=list)

    async def __call__(self, scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        self.scopes.append(scope)
        body = await whole_body(receive)
        if body is None:
            self.departed.append(scope["path"])
            return
        self.bodies.append(body)
        await answer(send, scope["path"].encode() + b" " + body)


async def whole_body(receive: PlainReceive) -> bytes | None:
    """The request's body, or None when the client left before its end."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message["more_body"]:
            return body


async def answer(send: PlainSend, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    """A plain answer with a Content-Length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def begin_stream(send: PlainSend, first: bytes) -> None:
    """The head and the first piece of an answer without a length."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": first, "more_body": True})


def departure_of(scope: Message) -> Departure:
    """The request's departure."""
    departure = scope["extensions"][EXTENSION]
    assert isinstance(departure, Departure)
    return departure


class Client:
    """One connection: bytes out, bytes in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def until(self, end: bytes) -> bytes:
        """What comes, up to and with these bytes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(end)

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of one answer with a Content-Length."""
        head = await self.until(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        async with asyncio.timeout(PATIENCE):
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    def end(self) -> None:
        """Close our side now, not in a later turn of the loop."""
        with socket.socket(fileno=os.dup(self.writer.get_extra_info("socket").fileno())) as sock:
            sock.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Reset the connection, as a killed process with unread data does."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Stage:
    """A running server and whatever clients the test opens."""

    server: Server
    clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 20))
        self.clients.append(client)
        return client

    async def talk(self, data: bytes) -> bytes:
        """PlainSend these bytes on a new connection; all that comes back until the server closes."""
        client = await self.connect()
        client.send(data)
        return await client.rest()

    async def refused(self, data: bytes) -> tuple[int, str]:
        """Status and error code of the refusal that these bytes bring about, checked to be one in form."""
        return read_refusal(await self.talk(data))


def read_refusal(data: bytes) -> tuple[int, str]:
    """Status and code of a refusal: JSON in OpenAI's shape, one framing header, connection closed, nothing after."""
    head, _, body = data.partition(b"\r\n\r\n")
    names = [line.split(b":")[0] for line in head.split(b"\r\n")[1:]]
    assert names.count(b"content-length") == 1
    assert b"transfer-encoding" not in names
    assert b"connection: close" in head
    assert b"content-type: application/json" in head
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error["code"]


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Stage]:
    """The server, started; stopped by force in the end where the test did not stop it."""
    task = asyncio.create_task(server.serve(handle_signals=False))
    started = asyncio.create_task(server.started.wait())
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    started.cancel()
    stage = Stage(server)
    try:
        yield stage
    finally:
        for client in stage.clients:
            client.writer.transport.abort()
        server.stop()
        server.stop()
        async with asyncio.timeout(PATIENCE):
            await task


def stage(handler: Handler, limits: ServerLimits | None = None) -> contextlib.AbstractAsyncContextManager[Stage]:
    """A server for this handler, within these limits."""
    return serving(Server(application(handler), "127.0.0.1", 0, limits or ServerLimits()))


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until this holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  what is waited for is outside, and sets no event
            await asyncio.sleep(0.002)


async def announce_and_stream(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
    """The application of the process under test: a stream of half a second, or a long one."""
    await begin_stream(send, b"one")
    await asyncio.sleep(60 if scope["path"] == "/long" else 0.5)
    await send({"type": "http.response.body", "body": b"two"})
