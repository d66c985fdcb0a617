"""One request and its answer, as the application sees them through ASGI's `receive` and `send`.

The protocol feeds the request in; what the application sends is framed here. Why not uvicorn's own cycle: it answers
HTTP/1.0 in chunks, writes head and body apart, reports an exception as text/plain, and costs more.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE

from gateway.errors import GatewayError
from gateway.server.departure import Departure
from gateway.server.refusals import render

# ASGI leaves the values of its dictionaries untyped.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

# What a header line must not hold beyond its own CR and LF; a tab is allowed (RFC 9110, 5.5).
CONTROLS = bytes(set(range(32)) - {9}) + b"\x7f"
OURS = frozenset({b"content-length: ", b"transfer-encoding: ", b"connection: "})
# Below this, copying head and body together costs less than writing twice.
JOIN_BYTES = 64 * 1024
CHUNKED, UNTIL_CLOSE, BODILESS = -1, -2, -3

logger = logging.getLogger("gateway.server")


class Connection(Protocol):
    """What an exchange needs of the connection that it runs on."""

    flow: FlowControl

    def write(self, data: bytes) -> None: ...
    def closing(self) -> bool: ...
    def want_body(self) -> None: ...
    def answered(self, exchange: "Exchange") -> None: ...
    def cut(self, exchange: "Exchange") -> None: ...
    def ended(self, exchange: "Exchange") -> None: ...


class Exchange:
    """One request and its answer. Fed by `feed` and `feed_end`, driven by `run`, ended early by `abandon`."""

    __slots__ = (
        "_connection",
        "_framing",
        "_head",
        "_news",
        "_parts",
        "_wake",
        "begun",
        "buffered",
        "complete",
        "continue_due",
        "departure",
        "disconnected",
        "keep_alive",
        "more_body",
        "scope",
        "started",
        "task",
    )

    def __init__(self, connection: Connection, scope: Message, departure: Departure, keep_alive: bool) -> None:
        self._connection = connection
        self.scope = scope
        self.departure = departure
        self.keep_alive = keep_alive
        self.continue_due = False
        self.task: asyncio.Task[None] | None = None
        self.begun = self.started = self.complete = self.disconnected = False
        self.more_body = True
        self.buffered = 0
        self._parts: list[bytes] = []
        self._news = False
        self._wake: asyncio.Event | None = None
        self._head: bytes | None = None
        # Bytes of the body still owed, or one of the negative constants.
        self._framing = 0

    # What the protocol calls.

    def feed(self, data: bytes) -> None:
        """A piece of the request's body came."""
        self._parts.append(data)
        self.buffered += len(data)
        self._tell()

    def feed_end(self) -> None:
        """The request is complete."""
        self.more_body = False
        self._tell()

    def abandon(self) -> None:
        """The client is gone or was refused: nothing more is read or written, and the application learns of it."""
        if self.complete or self.disconnected:
            return
        self.disconnected = True
        self._tell()
        if self.task is not None and not self.begun:
            self.task.cancel()
            self._connection.ended(self)
        self.departure.happen()

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer; what it fails to answer is a 500, or a cut where the answer had begun."""
        self.begun = True
        try:
            await app(self.scope, self.receive, self.send)
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

    # ASGI.

    async def receive(self) -> Message:
        """The next `http.request`, or `http.disconnect` once the answer is complete or the client gone."""
        while not self._news:
            await self._wait()
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        self._news = False
        body = b"".join(self._parts)
        self._parts.clear()
        self.buffered = 0
        if self.more_body:
            self._connection.want_body()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

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
        elif kind == "http.response.start" and self._head is None:
            self._start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def _tell(self) -> None:
        self._news = True
        if self._wake is not None:
            self._wake.set()

    async def _wait(self) -> None:
        # An event and no future: a cancelled waiter must not cancel another one. Made only when there is a wait.
        if self.continue_due:
            self.continue_due = False
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._wake is None:
            self._wake = asyncio.Event()
        self._wake.clear()
        await self._wake.wait()

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        lines = [STATUS_LINE[status]]
        length: int | None = None
        for name, value in headers:
            field = _field(name)
            if field not in OURS:
                lines += (field, value, b"\r\n")
            elif field == b"content-length: ":
                length = int(value)
            elif field == b"connection: " and b"close" in value.lower():
                self.keep_alive = False
        # A client that still waits for 100-continue may or may not send the body now: only closing is clear.
        if self.continue_due:
            self.keep_alive = False
        close = b"" if self.keep_alive else b"connection: close\r\n"
        self._head = b"%b%b%b\r\n" % (_checked(lines), self._frame(status, length), close)

    def _frame(self, status: int, length: int | None) -> bytes:
        """Choose the framing of the body; returns its header line, if it has one."""
        if status in (204, 304):
            self._framing = BODILESS
            return b""
        line = b"content-length: %d\r\n" % length if length is not None else b""
        if self.scope["method"] == "HEAD":
            self._framing = BODILESS
        elif length is not None:
            self._framing = length
        elif self.scope["http_version"] == "1.0":
            self._framing = UNTIL_CLOSE
        else:
            self._framing = CHUNKED
            line = b"transfer-encoding: chunked\r\n"
        return line

    def _send_body(self, body: bytes, more: bool) -> None:
        if self.complete:
            raise RuntimeError("the answer is already complete")
        data = self._framed(body, more)
        if not self.started:
            self.started = True
            head = self._head or b""
            if len(data) > JOIN_BYTES:
                self._connection.write(head)
            else:
                data = head + data
        if data:
            self._connection.write(data)
        if not more:
            self._finish()

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
        self._tell()
        self._connection.answered(self)

    def _fail(self) -> None:
        if self.disconnected or self.started:
            return
        self.started = True
        self.keep_alive = False
        self._connection.write(render(GatewayError("The gateway failed to answer this request.")))
        self._finish()


@functools.lru_cache(maxsize=1024)
def _field(name: bytes) -> bytes:
    """The beginning of a header line, `name: `, lower-case. Cached: the names of answers are few."""
    if not name or HEADER_RE.search(name):
        raise RuntimeError(f"invalid header name {name!r}")
    return name.lower() + b": "


def _checked(lines: list[bytes]) -> bytes:
    """The lines as one block without control characters, CR and LF above all, but for the two at each line's end.

    `lines` is the status line, then three parts for each header.
    """
    block = b"".join(lines)
    if len(block) - len(block.translate(None, CONTROLS)) != 2 * (len(lines) // 3 + 1):
        raise RuntimeError("invalid header value")
    return block
