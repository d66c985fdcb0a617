"""An answer in flight: what the connection has put in, until the reader takes it out."""

import asyncio
from collections.abc import Callable
from typing import Protocol, Self

from gateway.errors import Headers, ProviderError
from gateway.net.client import Chunks, join, too_large


class AnswerSource(Protocol):
    """The connection, as its answer sees it."""

    loop: asyncio.AbstractEventLoop

    def abort(self) -> None:
        """Close the socket now; the answer ends with an error."""

    def drained(self) -> None:
        """The reader has taken all there was."""


class LeanResponse:
    """An answer that is its own iterator: each step takes all bytes that came since the last one, as one chunk."""

    __slots__ = (
        "_error", "_into", "_parts", "_poured", "_source", "_waiter", "begun", "encoding", "headers", "status",
        "unread",
    )  # fmt: skip

    status: int
    headers: Headers
    encoding: bytes

    def __init__(self, source: AnswerSource) -> None:
        self.begun: asyncio.Future[None] = source.loop.create_future()
        """Done when the header block is in; fails with the ProviderError that came in its place."""
        self.unread = 0
        self._source: AnswerSource | None = source  # until the body has ended
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[bytes] | None = None
        self._into: Callable[[bytes], bool] | None = None  # who takes the pieces as they come, and the future that
        self._poured: asyncio.Future[bool] | None = None  # says when it has had enough
        self._error: ProviderError | None = None

    # The reader's side

    def chunks(self) -> Chunks:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        source = self._source
        if self._parts:
            return self._take()
        if source is not None:
            waiter: asyncio.Future[bytes] = source.loop.create_future()
            self._waiter = waiter
            try:
                if chunk := await waiter:
                    return chunk
            except asyncio.CancelledError:
                self._drop()
                raise
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        """Call `into` with the bytes that came since the last time, as soon as they come in: nobody is woken for it."""
        try:
            if self._parts and not into(self._take()):
                return True
            if self._source is not None:
                self._into = into
                poured = self._poured = self._source.loop.create_future()
                if await poured:
                    return True
        except BaseException:
            self._into = None
            self._drop()
            raise
        if self._error is not None:
            raise self._error
        return False

    async def whole(self, limit: int) -> bytes:
        if self._source is not None or self._error is not None:
            return await join(self, limit)
        body = b"".join(self._parts)  # the usual answer: it came in one packet with its head
        if len(body) > limit:
            raise too_large(limit)
        return body

    async def aclose(self) -> None:
        self._drop()

    def leave(self) -> None:
        """Drop the connection after the task that waited for `begun` was cancelled."""
        self._drop()
        if self.begun.done() and not self.begun.cancelled():
            self.begun.exception()  # asked for, so that nobody reports it as unseen

    def _take(self) -> bytes:
        chunk = b"".join(self._parts)
        self._parts.clear()
        self.unread = 0
        if self._source is not None:
            self._source.drained()
        return chunk

    def _drop(self) -> None:
        """Close the connection at once, unless the answer has ended."""
        self._parts.clear()
        if self._source is not None:
            self._source.abort()

    # The connection's side

    def begin(self, status: int, headers: Headers, encoding: bytes) -> None:
        self.status = status
        self.headers = headers
        self.encoding = encoding
        if not self.begun.done():
            self.begun.set_result(None)

    def feed(self, data: bytes) -> int:
        """Hand this to who waits for it, or keep it; how many bytes are kept by now."""
        if self._into is not None:
            try:
                if not self._into(data):
                    self._end_pouring(enough=True)
            except Exception as error:  # the reader's, and no business of the connection that calls this
                self._end_pouring(enough=True, error=error)
            return 0
        waiter = self._waiter
        if waiter is None:
            self._parts.append(data)
            self.unread += len(data)
            return self.unread
        self._waiter = None
        if not waiter.done():  # cancelled: the reader is about to leave
            waiter.set_result(data)
        return 0

    def end(self, error: ProviderError | None) -> None:
        """Nothing more will come: the body is whole, or `error` says why not. What is unread stays readable."""
        self._source = None  # the connection is no longer ours, and no cycle is left for the collector
        self._error = error
        if self._into is not None:
            self._end_pouring(enough=False)
        elif self._waiter is not None:
            self.feed(b"")
        elif error is not None and not self.begun.done():
            self.begun.set_exception(error)

    def _end_pouring(self, enough: bool, error: Exception | None = None) -> None:
        poured, self._into, self._poured = self._poured, None, None
        if poured is None or poured.done():  # cancelled: the reader is about to leave
            return
        if error is None:
            poured.set_result(enough)
        else:
            poured.set_exception(error)
