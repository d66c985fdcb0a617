"""An answer in flight: what the connection has put in, until the reader takes it out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, Self

from gateway.errors import Headers, ProviderError


class Source(Protocol):
    """The connection, as its answer sees it."""

    def abort(self) -> None:
        """Close the socket now; the answer ends with an error."""

    def drained(self) -> None:
        """The reader has taken all there was."""


class LeanResponse:
    """An answer that is its own iterator: each step takes all bytes that came since the last one, as one chunk."""

    __slots__ = ("_error", "_loop", "_parts", "_source", "_waiter", "_whole", "headers", "status", "unread")

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0  # until the header block is in
        self.headers: Headers = ()
        self.unread = 0
        self._source: Source | None = source
        self._loop = loop
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._whole = False
        self._error: ProviderError | None = None

    # The reader's side

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self._whole:
                raise StopAsyncIteration
            await self._news()
        return self._take()

    async def aclose(self) -> None:
        self._leave()

    async def started(self) -> Self:
        """Itself, when the header block is in. Raises ProviderError when none comes."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._news()
        return self

    def _take(self) -> bytes:
        parts = self._parts
        chunk = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.unread = 0
        if self._source is not None:
            self._source.drained()
        return chunk

    async def _news(self) -> None:
        """Wait for the connection's next event. Cancelled, close the connection at once."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self._leave()
            raise

    def _leave(self) -> None:
        self._parts.clear()
        if self._source is not None:
            self._source.abort()

    # The connection's side

    def begin(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers

    def feed(self, data: bytes) -> None:
        self._parts.append(data)
        self.unread += len(data)

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def end(self, error: ProviderError | None) -> None:
        """Nothing more will come: the body is whole, or `error` says why not. What is unread stays readable."""
        self._source = None  # the connection is no longer ours, and no cycle is left for the collector
        self._whole = error is None
        self._error = error
        self.wake()
