"""Clients for whole stories: many keep-alive connections to several gateways, and few cycles spent on each call."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.canaries import WATCH


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: headers by lower-case name, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> str:
        """The version that served the call."""
        return self.headers.get("x-serinus-version", "")


class Line:
    """One keep-alive connection to a gateway."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def chat(self, model: str, text: str) -> Reply:
        """One chat completion with that first user message. Raises OSError or EOFError when the connection breaks."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
        return await self.ask("POST", "/v1/chat/completions", body)

    async def ask(self, method: str, path: str, body: bytes = b"", headers: Sequence[str] = ()) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        host = [] if any(header.startswith("host:") for header in headers) else ["host: localhost"]
        lines = [f"{method} {path} HTTP/1.1", *host, f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")[:-2]
        found = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        answer = await reader.readexactly(int(found.get("content-length", 0)))
        WATCH.search("answer", head + answer)
        return Reply(int(status.split()[1]), found, answer)

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()


async def ask(url: str, method: str, path: str, body: bytes = b"", headers: Sequence[str] = ()) -> Reply:
    """One request on a connection of its own."""
    line = Line(url)
    try:
        return await line.ask(method, path, body, headers)
    finally:
        line.close()


class Crowd:
    """Callers who each say something that nobody said before: every call is a unit of its own.

    `saying` makes the text of the call with that number; no two may be alike.
    """

    def __init__(self, urls: Sequence[str], saying: Callable[[int], str] = "question {}".format) -> None:
        self._saying = saying
        self._urls = itertools.cycle(urls)
        self._idle: list[Line] = []
        self._numbers = itertools.count()

    async def call(self, model: str) -> Reply:
        """One call, at the gateways in turn."""
        line = self._idle.pop(0) if self._idle else Line(next(self._urls))
        reply = await line.chat(model, self._saying(next(self._numbers)))
        self._idle.append(line)
        return reply

    async def call_often(self, model: str, times: int, side_by_side: int = 8) -> list[Reply]:
        """That many calls, some of them at the same time."""
        left, replies = itertools.repeat(model, times), list[Reply]()

        async def work() -> None:
            for each in left:
                replies.append(await self.call(each))

        await asyncio.gather(*(work() for _ in range(side_by_side)))
        return replies

    def close(self) -> None:
        for line in self._idle:
            line.close()


@asynccontextmanager
async def crowd(*urls: str, saying: Callable[[int], str] = "question {}".format) -> AsyncIterator[Crowd]:
    """A crowd that spreads its calls over these gateways."""
    people = Crowd(urls, saying)
    try:
        yield people
    finally:
        people.close()
