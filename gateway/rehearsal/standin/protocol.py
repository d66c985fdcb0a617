"""A connection: parses requests, gets a script from the service, and plays it step by step at the client's pace."""

import asyncio
import struct
from collections import deque
from collections.abc import Iterator
from socket import SO_LINGER, SOL_SOCKET
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from .answers import StandinError
from .books import BookedCall
from .chat import error_body
from .service import Service
from .wire import CONTINUE, JSON, End, Header, StandinRequest, WireStep, head

MOST_BODY = 64 << 20  # bytes; twice what the gateway lets through
MOST_HEAD = 1 << 20  # bytes of one header block
MOST_WAITING = 16  # pipelined requests before the connection is no longer read
EXPECT = b"expect"
ONE_WRITE = 64 << 10  # bytes gathered for one write
LINGER_ZERO = struct.pack("ii", 1, 0)  # close() then sends RST, socket(7)


class StandinConnection(asyncio.Protocol):
    """A client's connection. It is in `open_connections` while it lives, and `gone` is done when it no longer does."""

    def __init__(self, service: Service, open_connections: "set[StandinConnection]") -> None:
        self._service = service
        self._all = open_connections
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._waiting: deque[tuple[StandinRequest, bool]] = deque()
        self._steps: Iterator[WireStep] | None = None  # of the answer in progress
        self._entry: BookedCall | None = None
        self._end: End = "keep"
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None
        self._full = False  # the client reads slower than we write
        self._head_bytes = 0  # read of a header block that has not ended
        self._choked = False  # too much is waiting: no longer read
        self._fresh()

    def abort(self) -> None:
        self._transport.abort()

    # from the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = HttpRequestParser(self)
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        self.gone.set_result(None)
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._steps is not None:
            self._steps = None
            if self._entry is not None:
                self._entry.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._refuse(400, "This is not an HTTP/1.1 request.")
            return
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0  # the parser hoards an endless line
        if self._body_bytes > MOST_BODY or self._head_bytes > MOST_HEAD:
            self._refuse(413, "The request is too large.")
            return
        if self._steps is None and self._waiting:
            self._next()
        if len(self._waiting) > MOST_WAITING and not self._choked:
            self._choked = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._steps is not None and self._timer is None:
            self._play()

    # from the parser

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # after it these are trailers, which are dropped
            self._headers.append((name, value))
            if len(name) == len(EXPECT) and name.lower() == EXPECT:
                self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._expects and self._steps is None and not self._waiting:
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes <= MOST_BODY:
            self._body.append(body)

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        request = StandinRequest(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            query=query,
            headers=tuple(self._headers),
            body=b"".join(self._body),
            http11=self._parser.get_http_version() == "1.1",
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        self._fresh()

    # the answer in progress

    def _fresh(self) -> None:
        """Room for the next request."""
        self._url = b""
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._in_head = True
        self._expects = False

    def _next(self) -> None:
        """Answers what is waiting; returns when an answer has to wait or nothing is left."""
        while self._waiting and self._steps is None and not self._transport.is_closing():
            request, self._keep_alive = self._waiting.popleft()
            script, self._entry = self._service.answer(request)
            self._steps, self._end = iter(script.steps), script.end
            self._play_on()
        if self._choked and not self._transport.is_closing():
            self._choked = False
            self._transport.resume_reading()

    def _play(self) -> None:
        self._play_on()
        if self._steps is None:
            self._next()

    def _play_on(self) -> None:
        """Send every step that is due; a timer or resume_writing goes on from where this stops."""
        due: list[bytes] = []
        size = 0
        for step in cast(Iterator[WireStep], self._steps):
            if step.after > 0:
                self._send(due)
                self._timer = self._loop.call_later(step.after, self._on_time, step)
                return
            size += self._take(step, due)
            if size >= ONE_WRITE:
                self._send(due)
                size = 0
                if self._full:
                    return
        self._send(due)
        if not self._full:
            self._finish()

    def _on_time(self, step: WireStep) -> None:
        self._timer = None
        due: list[bytes] = []
        self._take(step, due)
        self._send(due)
        if not self._full:
            self._play()

    def _take(self, step: WireStep, due: list[bytes]) -> int:
        due.append(step.data)
        if step.bill is not None and self._entry is not None:
            self._entry.charge(step.bill)
        return len(step.data)

    def _send(self, due: list[bytes]) -> None:
        if due:
            self._transport.write(b"".join(due))
            due.clear()

    def _finish(self) -> None:
        """The script is played: the books first, then what it wants done with the connection."""
        if self._end == "hang":
            return
        self._steps = None
        if self._entry is not None:
            self._entry.finish()
        if self._end == "reset":
            self._reset()
        elif self._end == "close" or not self._keep_alive:
            self._transport.close()

    def _reset(self) -> None:
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, LINGER_ZERO)
        self._transport.abort()

    def _refuse(self, status: int, message: str) -> None:
        """The last word on a connection whose bytes make no sense, unless an answer is under way."""
        if self._steps is None:
            body = error_body(StandinError(status, message))
            lines = b"content-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n" % (JSON, len(body))
            self._transport.write(head(status, lines) + body)
        self._transport.close()
