"""Receivers of webhooks, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.support.canaries import WATCH
from tests.support.listening import listening


class Receiver:
    """A webhook's receiver over a real socket: it notes what came, and answers with the next of `statuses`.

    It takes `seconds` for an answer, and has none for the keys in `slow`.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.bodies: list[Any] = []
        self.statuses: list[int] = []
        self.slow: set[str] = set()
        self.seconds = 0.0
        self.fields: dict[str, str] = {}
        self.raw = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
        self.fields, self.raw = fields, await reader.readexactly(int(fields["content-length"]))
        WATCH.search("webhook", repr(fields).encode() + self.raw)
        self.bodies.append(json.loads(self.raw))
        self.keys.append(fields["idempotency-key"])
        status = self.statuses.pop(0) if self.statuses else 200
        await asyncio.sleep(self.seconds)
        if fields["idempotency-key"] in self.slow:
            await reader.read()  # until the sender has had enough
        else:
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)


class Ear:
    """A webhook's receiver that keeps its connections: how many were made, and how many are open."""

    def __init__(self) -> None:
        self.made = self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made, self.open = self.made + 1, self.open + 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # an end of either kind
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        self.open -= 1


@asynccontextmanager
async def ear() -> AsyncIterator[tuple[Ear, dict[str, Any]]]:
    """A receiver, and the entry below `notify` that names it."""
    made = Ear()
    async with listening(made.serve) as port:
        yield made, {"url": f"http://127.0.0.1:{port}/", "allow_private": True, "on": ["start", "pause", "resume"]}
