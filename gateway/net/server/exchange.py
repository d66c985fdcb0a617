"""A request and its answer, as the application sees them through ASGI's `receive` and `send`.

The protocol feeds the request in; what the application sends is framed here. Why not uvicorn's own cycle: it answers
HTTP/1.0 in chunks, writes head and body apart, reports an exception as text/plain, and costs more.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from gateway.errors import GatewayError
from gateway.net.asgi import ASGIApp, Message, Scope
from gateway.net.server.body import RequestBody
from gateway.net.server.disconnect import Departure
from gateway.net.server.lines import OURS, STATUS, Headers, block
from gateway.net.server.refusals import render
from gateway.net.server.websocket import WebSocket

# Below this, copying head and body together costs less than writing twice.
JOIN_BYTES = 64 * 1024
CHUNKED, UNTIL_CLOSE, BODILESS = -1, -2, -3
# The line before a chunk, for the sizes of most events of a stream: to format one takes longer than to copy the event.
_SIZES = tuple(b"%x\r\n" % size for size in range(1024))

logger = logging.getLogger("gateway.net.server")


class ExchangeConnection(Protocol):
    """Needs of an exchange from its connection."""

    flow: FlowControl
    closing: Callable[[], bool]

    def write(self, data: bytes) -> None: ...
    def flush(self) -> None: ...
    def answered(self, exchange: "Exchange") -> None: ...
    def cut(self, exchange: "Exchange") -> None: ...
    def switch(self, exchange: "Exchange", head: bytes) -> WebSocket: ...
    def ended(self, exchange: "Exchange") -> None: ...


class Exchange:
    """A request and its answer, driven by `run`, ended early by `abandon`. Called, it is the application's `send`.

    It can do more than ASGI asks of a `send`: `answer` and `part` send at once, and `begun` says whether anything was.
    """

    __slots__ = (
        "_connection",
        "_framing",
        "_head",
        "_running",
        "body",
        "complete",
        "departure",
        "disconnected",
        "keep_alive",
        "scope",
        "started",
        "task",
    )

    def __init__(
        self, connection: ExchangeConnection, scope: Scope, body: RequestBody, departure: Departure, keep_alive: bool
    ) -> None:
        self._connection = connection
        self.scope = scope
        self.body = body
        self.departure = departure
        self.keep_alive = keep_alive
        self.task: asyncio.Task[None] | None = None
        self._running = self.started = self.complete = self.disconnected = False
        self._head: bytes | None = None
        # Bytes of the body still owed, or one of the negative constants.
        self._framing = 0

    # What the protocol calls.

    def abandon(self) -> None:
        """The client is gone or was refused: nothing more is read or written, and the application learns of it."""
        if self.complete or self.disconnected:
            return
        self.disconnected = True
        self.body.end()
        if self.task is not None and not self._running:
            self.task.cancel()
            self._connection.ended(self)
        self.departure.happen()

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer; what it fails to answer is a 500, or a cut where the answer had begun."""
        self._running = True
        try:
            await app(self.scope, self.body, self)
            if not self.complete and not self.disconnected:
                if not self.started:  # later, leaving is how an application breaks off what must not look whole
                    # The raw path: what was percent-encoded stays on one line of the log.
                    logger.error("the application left %a without an answer", self.scope["raw_path"])
                self._fail()
        except Exception:
            logger.exception("the application failed on %a", self.scope["raw_path"])
            self._fail()
        finally:
            if not self.complete and not self.disconnected:
                self._connection.cut(self)
            self._connection.ended(self)

    # What the application calls.

    @property
    def begun(self) -> bool:
        """Return whether an answer has begun, so that no other can be sent."""
        return self._head is not None

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer at once; False where the client is not ready for that, and it goes out in messages."""
        if self._head is not None or not self._ready():
            return False
        self._start(status, headers, len(body))
        self._send_head(b"" if self._framing == BODILESS else body)
        self._finish()
        return True

    def part(self, body: bytes) -> bool:
        """Send a part of an answer at once, with more to come; False where it has to be a message."""
        connection = self._connection
        if self._framing != CHUNKED or not body or self.complete:
            return False
        if self.disconnected or connection.flow.write_paused or connection.closing():
            return False
        size = len(body)
        line = _SIZES[size] if size < len(_SIZES) else b"%x\r\n" % size
        data = b"".join((line, body, b"\r\n"))
        if self.started:
            connection.write(data)
        else:
            self._send_head(data)
        return True

    def switch(self, headers: Headers) -> WebSocket | None:
        """Answer with 101, and return the WebSocket that the connection is then; None where the client is gone."""
        if self.disconnected or self._connection.closing():
            return None
        lines = block(headers) or b""
        self._head = b""
        self.started = self.complete = True
        self.body.end()
        head = b"%b\r\nconnection: Upgrade\r\nupgrade: websocket%b\r\n\r\n" % (STATUS[101], lines)
        return self._connection.switch(self, head)

    async def send(self, message: Message) -> None:
        """Take a part of the answer; waits while the client is slow, drops it when the client is gone.

        The head is held until the first piece of the body comes, as ASGI asks for.
        """
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self._head is not None:
            if self._connection.closing():
                # Aborted, but not yet told so: an application that only sends would keep the loop from telling it.
                await asyncio.sleep(0)
            elif self._connection.flow.write_paused:
                await self._connection.flow.drain()
            if not self.disconnected:
                self._send_body(message.get("body", b""), message.get("more_body", False))
                # At once: who sends without ever waiting would keep the loop from it.
                self._connection.flush()
        elif kind == "http.response.start" and self._head is None:
            self._start(message["status"], message.get("headers", ()), None)
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    __call__ = send

    def _ready(self) -> bool:
        """Return whether the client is connected and accepts data."""
        connection = self._connection
        return not (self.disconnected or connection.flow.write_paused or connection.closing())

    def _start(self, status: int, headers: Headers, length: int | None) -> None:
        """Prepare the head, and the framing of a body: of that length where it is known."""
        lines = block(headers)
        if lines is None:
            lines, length = self._checked(headers, length)
        # A refused client need not send the rest of its body; one that still waits for 100-continue may or may not send
        # it now. Only closing is clear.
        if self.body.more and (status >= 400 or self.body.continue_due):
            self.keep_alive = False
        end = b"\r\n\r\n" if self.keep_alive else b"\r\nconnection: close\r\n\r\n"
        self._head = b"".join((STATUS[status], lines, self._frame(status, length), end))

    def _checked(self, headers: Headers, length: int | None) -> tuple[bytes, int | None]:
        """The lines without the headers that are ours to set, and the length that one of these may tell."""
        others: list[tuple[bytes, bytes]] = []
        declared: int | None = None
        for name, value in headers:
            lower = name.lower()
            if lower not in OURS:
                others.append((name, value))
            elif lower == b"content-length":
                declared = int(value)
            elif lower == b"connection" and b"close" in value.lower():
                self.keep_alive = False
        lines = block(others)
        if lines is None:
            raise RuntimeError("invalid header value")
        return lines, declared if length is None else length

    def _frame(self, status: int, length: int | None) -> bytes:
        """Choose the framing of the body; returns its header line, if it has one."""
        if status in (204, 304):
            self._framing = BODILESS
            return b""
        line = b"\r\ncontent-length: %d" % length if length is not None else b""
        if self.scope["method"] == "HEAD":
            self._framing = BODILESS
        elif length is not None:
            self._framing = length
        elif self.scope["http_version"] == "1.0":
            self._framing = UNTIL_CLOSE
        else:
            self._framing = CHUNKED
            line = b"\r\ntransfer-encoding: chunked"
        return line

    def _send_body(self, body: bytes, more: bool) -> None:
        if self.complete:
            raise RuntimeError("the answer is already complete")
        data = self._framed(body, more)
        if not self.started:
            self._send_head(data)
        elif data:
            self._connection.write(data)
        if not more:
            self._finish()

    def _send_head(self, data: bytes) -> None:
        """Let the head go out, with the first bytes of the body behind it."""
        self.started = True
        head = self._head or b""
        if len(data) > JOIN_BYTES:
            self._connection.write(head)
            self._connection.write(data)
        else:
            self._connection.write(head + data)

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self._framing == CHUNKED:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return data if more else data + b"0\r\n\r\n"
        if self._framing == UNTIL_CLOSE:
            return body
        if self._framing == BODILESS:
            return b""
        self._framing -= len(body)
        if self._framing < 0 or (self._framing and not more):
            raise RuntimeError("the answer's body does not match its Content-Length")
        return body

    def _finish(self) -> None:
        self.complete = True
        self.departure.forget()
        self.body.end()
        self._connection.answered(self)

    def _fail(self) -> None:
        if self.disconnected or self.started:
            return
        self.started = True
        self.keep_alive = False
        self._connection.write(render(GatewayError("The gateway failed to answer this request.")))
        self._finish()
