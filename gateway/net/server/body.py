"""The body of one request on its way to the application: through ASGI's `receive`, or whole where it is there."""

import asyncio
from typing import Protocol

from gateway.net.asgi import Message


class BodySource(Protocol):
    """Needs of a body from its connection."""

    def write(self, data: bytes) -> None: ...
    def want_body(self) -> None: ...


class RequestBody:
    """Fed by `feed` and `feed_end`, ended by `end`. Called, it is the application's `receive`."""

    __slots__ = ("_buffered", "_news", "_parts", "_source", "_wake", "continue_due", "more", "over")

    def __init__(self, source: BodySource, continue_due: bool) -> None:
        self._source = source
        self.continue_due = continue_due
        self.more = True
        self.over = False
        self._buffered = 0
        self._parts: list[bytes] = []
        self._news = False
        self._wake: asyncio.Event | None = None

    # What the protocol and the exchange call.

    def feed(self, data: bytes) -> int:
        """A piece of the body came; how many bytes wait now to be read."""
        self._parts.append(data)
        self._buffered = buffered = self._buffered + len(data)
        self._news = True
        if self._wake is not None:
            self._wake.set()
        return buffered

    def feed_end(self) -> None:
        """The request is complete."""
        self.more = False
        self._news = True
        if self._wake is not None:
            self._wake.set()

    def end(self) -> None:
        """The answer is complete, or the client gone or refused: nothing more is read."""
        self.over = self._news = True
        if self._wake is not None:
            self._wake.set()

    @property
    def waits_for_us(self) -> bool:
        """Return whether the application still has to read data, or to ask for more."""
        return self._buffered > 0 or self.continue_due

    # What the application calls.

    def whole(self) -> bytes | None:
        """The whole body, where all of it is there already: it is read then. None where it has to be waited for."""
        if self.more or self.over:
            return None
        self._news = False
        return self._taken()

    async def receive(self) -> Message:
        """The next `http.request`, or `http.disconnect` once the answer is complete or the client gone."""
        while not self._news:
            await self._wait()
        if self.over:
            return {"type": "http.disconnect"}
        self._news = False
        body = self._taken()
        if self.more:
            self._source.want_body()
        return {"type": "http.request", "body": body, "more_body": self.more}

    __call__ = receive

    def _taken(self) -> bytes:
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._buffered = 0
        return body

    async def _wait(self) -> None:
        # An event and no future: a cancelled waiter must not cancel another one. Made only when there is a wait.
        if self.continue_due:
            self.continue_due = False
            self._source.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._wake is None:
            self._wake = asyncio.Event()
        self._wake.clear()
        await self._wake.wait()
