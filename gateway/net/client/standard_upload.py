"""An upload over httpx2, which by itself listens for an answer only when all has been sent.

So the connection is listened to beside the writing, and once something comes the upload ends with the one error that
httpcore2 takes as a reason to read the answer. Each upload has a connection of its own, over HTTP/1.1.
"""

# ruff: noqa: ASYNC109 - the signatures are httpcore2's

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, TypeVar

import httpcore2
import httpx2

from gateway.net.client import Upload
from gateway.net.client.writing import MAX_HEADER_BLOCK, Count

_READ_BYTES = 64 * 1024
_INTERIM = re.compile(rb"\A(?:HTTP/1\.1 1\d\d[^\r\n]*+\r\n(?:[^\r\n]++\r\n)*+\r\n)++")  # 100, 103: no answer yet

T = TypeVar("T")


class Ear:
    """Listens to one connection while an upload goes out on it."""

    def __init__(self) -> None:
        self.stream: httpcore2.AsyncNetworkStream | None = None  # the outermost layer of the connection
        self._listening: asyncio.Task[bytes] | None = None
        self._taken = False

    def listen(self) -> None:
        """Begin to read ahead: the head of the request is out."""
        if self.stream is not None and self._listening is None:
            self._listening = asyncio.create_task(_first_words(self.stream))

    async def unless_heard(self, doing: Coroutine[Any, Any, T]) -> T:
        """Return the coroutine's result, unless the peer answers first. Raises httpcore2.WriteError then."""
        task = asyncio.create_task(doing)
        waiting: set[asyncio.Task[Any]] = {task}
        if self._listening is not None:
            waiting.add(self._listening)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise httpcore2.WriteError("the provider answered before it had read the whole request")
        finally:
            if task.cancel():
                await asyncio.wait([task])

    async def heard(self) -> bytes | None:
        """Return what was read ahead, once; None where nothing was read. Raises the reading's error."""
        listening = self._listening
        if listening is None or self._taken:
            return None
        self._taken = True
        await asyncio.wait([listening])
        if listening.cancelled():
            raise httpcore2.ReadError("the gateway closed the connection")
        return listening.result()

    def stop(self) -> None:
        """The connection closes."""
        if self._listening is not None:
            self._listening.cancel()


class _Listened(httpcore2.AsyncNetworkStream):
    """A connection whose first words may have been read already."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, ear: Ear) -> None:
        self._inner = inner
        self._ear = ear
        ear.stream = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        said = await self._ear.heard()
        return await self._inner.read(max_bytes, timeout) if said is None else said

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._ear.unless_heard(self._inner.write(buffer, timeout))

    async def aclose(self) -> None:
        self._ear.stop()
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return _Listened(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._ear)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.AsyncNetworkBackend):
    """Make connections that an ear listens to."""

    def __init__(self, inner: httpcore2.AsyncNetworkBackend, ear: Ear) -> None:
        self._inner = inner
        self._ear = ear

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _Listened(await self._inner.connect_tcp(host, port, timeout, local_address, socket_options), self._ear)


class UploadStream(httpx2.AsyncByteStream):
    """An upload as httpx2 wants it: it ends in an error as soon as an answer begins."""

    def __init__(self, upload: Upload, ear: Ear) -> None:
        self._upload = upload
        self._ear = ear

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._ear.listen()
        count = Count(self._upload.length)
        while (chunk := await self._ear.unless_heard(_next(self._upload))) is not None:
            count.take(len(chunk))
            yield chunk
        count.end()


def listen_with(ear: Ear, transport: httpx2.AsyncHTTPTransport) -> None:
    """Let an ear listen to the connections that a transport will make. No public door leads there; if the private one
    has moved, answers are heard once all is sent."""
    pool = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if isinstance(backend, httpcore2.AsyncNetworkBackend):
        pool._network_backend = _Backend(backend, ear)  # type: ignore[union-attr]


async def _next(upload: Upload) -> bytes | None:
    return await anext(upload.chunks, None)


async def _first_words(stream: httpcore2.AsyncNetworkStream) -> bytes:
    """Read up to the beginning of an answer, the end of the connection, or more than a head may have."""
    said = await stream.read(_READ_BYTES)
    while said and len(said) <= MAX_HEADER_BLOCK and not _INTERIM.sub(b"", said, count=1):
        more = await stream.read(_READ_BYTES)
        if not more:
            break
        said += more
    return said
