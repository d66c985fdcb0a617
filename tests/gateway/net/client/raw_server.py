"""A provider made of raw bytes: each connection is played by a script, so that a test reads like a transcript."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.net.client import Origin
from tests.support.listening import listening

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        self.number = server.connections
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """The next request, whole. Raises IncompleteReadError when the client leaves first."""
        head = await self.head()
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        request = head + await self._reader.readexactly(sum(lengths))
        self._server.requests.append(request)
        self._server.asked.set()
        return request

    async def head(self) -> bytes:
        """The next request up to its empty line."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def packet(self) -> bytes:
        """What the first read gives."""
        return await self._reader.read(65536)

    async def send(self, *parts: bytes) -> None:
        """Each part in a packet of its own."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()
            await asyncio.sleep(0.002 if len(parts) > 1 else 0)

    async def answer(self, *parts: bytes) -> None:
        """Read a request, then send."""
        await self.request()
        await self.send(*parts)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    def reset(self) -> None:
        """Leave with RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def interrupt(self, data: bytes) -> None:
        """Say this now, not in a later turn of the loop; nothing: end our side."""
        with socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno())) as sock:
            if data:
                sock.send(data)
            else:
                sock.shutdown(socket.SHUT_WR)

    async def gone(self) -> None:
        """Wait until the client has closed."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass
        self._server.left.set()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Plays `script` on every connection; keeps what it saw."""

    def __init__(self, script: Script) -> None:
        self.requests: list[bytes] = []
        self.connections = self.open = self.peak = 0
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.origin = Origin("http", "127.0.0.1", 0)
        self._ended = asyncio.Event()
        self._script = script

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            await self._script(Peer(self, reader, writer))
        finally:
            self.open -= 1
            self._ended.set()
            writer.transport.abort()

    async def shrinks_to(self, size: int) -> None:
        """Wait until no more than `size` connections are open."""
        while self.open > size:
            self._ended.clear()
            await self._ended.wait()


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A server on a port of its own that plays `script`, over TLS when a context is given."""
    server = RawServer(script)
    async with listening(server.play, tls=tls) as port:
        server.origin = Origin("https", "localhost", port) if tls else Origin("http", "127.0.0.1", port)
        yield server


def saying(*parts: bytes) -> Script:
    """Answers each request of a connection with the same parts."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.answer(*parts)

    return script


def once(*parts: bytes) -> Script:
    """Answers one request with these parts, then closes."""

    async def script(peer: Peer) -> None:
        await peer.answer(*parts)
        await peer.close()

    return script
