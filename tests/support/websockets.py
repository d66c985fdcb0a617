"""A WebSocket client of frames: what it sends may be as wrong as a test wants it."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from wsproto.frame_protocol import Frame, FrameProtocol, Opcode

PATIENCE = 10.0


@dataclass(slots=True)
class SocketClient:
    """One socket, open once `status` is 101."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    head: bytes
    frames: FrameProtocol = field(default_factory=lambda: FrameProtocol(client=True, extensions=[]))
    came: list[Frame] = field(default_factory=list)

    def send(self, event: object) -> None:
        """Send an event, or a text as it is."""
        self.writer.write(self.frames.send_data(event if isinstance(event, str) else json.dumps(event)))

    def create(self, model: str, **members: Any) -> None:
        """Ask for a response as Codex does: nothing is stored."""
        self.send({"type": "response.create", "model": model, "store": False, **members})

    async def frame(self) -> Frame:
        """The next frame; IncompleteReadError where the connection ended without one."""
        async with asyncio.timeout(PATIENCE):
            while not self.came:
                data = await self.reader.read(65536)
                if not data:
                    raise asyncio.IncompleteReadError(b"", None)
                self.frames.receive_bytes(data)
                self.came += self.frames.received_frames()
            return self.came.pop(0)

    async def event(self) -> Any:
        """The next event."""
        text, whole = "", False
        while not whole:
            got = await self.frame()
            assert got.opcode is Opcode.TEXT, got
            assert isinstance(got.payload, str)
            text, whole = text + got.payload, got.message_finished
        return json.loads(text)

    async def response(self) -> list[Any]:
        """The events up to the one that ends the response."""
        events = [await self.event()]
        while events[-1]["type"] not in ("response.completed", "response.incomplete", "response.failed", "error"):
            events.append(await self.event())
        return events

    async def closed(self) -> int:
        """The code with which the server closes; what comes before is passed over."""
        while (got := await self.frame()).opcode is not Opcode.CLOSE:
            pass
        assert isinstance(got.payload, tuple)
        return int(got.payload[0])


@asynccontextmanager
async def socket(url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[SocketClient]:
    """Connect, and send the handshake."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = {
        "host": parts.netloc,
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
        "sec-websocket-version": "13",
        "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    writer.write(f"GET {parts.path} HTTP/1.1\r\n{head}\r\n".encode())
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await reader.readuntil(b"\r\n\r\n")
        yield SocketClient(reader, writer, int(answer.split()[1]), answer.lower())
    finally:
        writer.close()


def raw(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, bits: int = 0) -> bytes:
    """One frame, by its parts."""
    size = len(payload)
    short = size if size < 126 else 126 if size < 65536 else 127
    long = b"" if short < 126 else struct.pack("!H" if short == 126 else "!Q", size)
    head = bytes([(0x80 if fin else 0) | bits | opcode, (0x80 if masked else 0) | short]) + long
    return head + (bytes(4) if masked else b"") + payload
