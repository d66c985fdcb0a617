"""An HTTP/1.1 client that knows how an answer ended: whole, cut, or left by itself."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PATIENCE = 40.0  # seconds for one answer; the gateway's own total limit is far below
_LIMIT = 1 << 22  # bytes of one line of a chunked answer


@dataclass(slots=True)
class Answer:
    """What came of an answer. `status` is 0 where not even its head came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False

    @property
    def call_id(self) -> str:
        return self.headers.get("x-serinus-call-id", "")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client reads: it may leave after so many seconds, or rest before each piece."""

    leaves_after: float | None = None
    rests: float = 0.0


USUAL_MANNER = Manner()


class Connection:
    """A connection to one replica, kept while both sides want it."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.url = url
        self.calls = 0
        self.is_open = True
        self._reader, self._writer = reader, writer

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], manner: Manner, answer: Answer) -> None:
        """Send a request and read into `answer`; what is there of it stays there when the connection breaks.

        Raises OSError, EOFError and TimeoutError. A client that leaves by itself raises nothing.
        """
        self.calls += 1
        lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json"]
        lines += [f"content-length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        try:
            self._writer.write("\r\n".join(lines).encode() + body)
            async with asyncio.timeout(manner.leaves_after or PATIENCE):
                await self._read(answer, manner)
        except TimeoutError:
            if manner.leaves_after is None:
                raise
        finally:
            if not answer.is_whole or answer.headers.get("connection", "") == "close":
                self.close()

    async def _read(self, answer: Answer, manner: Manner) -> None:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in head[1:-2])
        answer.headers |= {name.lower(): value.strip() for name, _, value in fields}
        answer.status = int(head[0].split()[1])
        if "content-length" in answer.headers:
            answer.body = await self._reader.readexactly(int(answer.headers["content-length"]))
        elif answer.headers.get("transfer-encoding") == "chunked":
            await self._read_chunks(answer, manner)
        else:
            raise EOFError("an answer without an end")
        answer.is_whole = True

    async def _read_chunks(self, answer: Answer, manner: Manner) -> None:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            answer.body += (await self._reader.readexactly(size + 2))[:-2]
            if manner.rests:
                await asyncio.sleep(manner.rests)
        await self._reader.readexactly(2)

    def close(self) -> None:
        self.is_open = False
        with suppress(RuntimeError):  # the loop has ended
            self._writer.close()


async def connect(url: str) -> Connection:
    """Open a connection. Raises OSError."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=_LIMIT)
    return Connection(url, reader, writer)
