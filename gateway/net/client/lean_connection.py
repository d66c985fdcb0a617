"""An HTTP/1.1 connection: the asyncio protocol and the parser's callbacks, one exchange after the other.

It goes back to its keeper as soon as the last byte of an answer is in, so that a slow reader of a whole answer holds no
connection. When to connect, and which connection to take, is the pool's business.
"""

import asyncio
import select
from operator import itemgetter
from typing import Protocol, cast

import httptools

from gateway.errors import FailureKind, Headers, ProviderError
from gateway.net.client import Origin, encoding_of
from gateway.net.client.lean_response import LeanResponse
from gateway.net.client.writing import MAX_HEADER_BLOCK
from gateway.net.write_batching import Cork

MAX_BARREN = MAX_HEADER_BLOCK
"""Bytes without a byte of body, header block or chunk framing or trailers, before we call it an attack."""

HIGH_WATER = 64 * 1024
"""Unread bytes of body at which reading stops. The peak is this plus one read, 256 kB at most (asyncio, uvloop)."""

_JOIN_BELOW = 64 * 1024  # a body up to this is copied behind its head; a larger one goes as a second buffer

# Idle, also with a request that is still to be written, is falsy: the only one that is asked for with every packet.
_IDLE, _HEAD, _BODY, _DONE = range(4)
_name_of = itemgetter(0)


class Unsent(ProviderError):
    """The connection ended before a byte of the request was written: it may go out on another one."""


class Unanswered(ProviderError):
    """The kept connection ended before a byte of the answer: it had been closed when the request was written."""


class Keeper(Protocol):
    """Owner of a connection."""

    def keep(self, connection: "LeanConnection") -> None:
        """The answer is whole, and the connection may carry another exchange."""

    def forget(self, connection: "LeanConnection") -> None:
        """The connection is gone for good."""


class LeanConnection(asyncio.Protocol):
    """Carries one exchange after the other. Whatever goes wrong ends the exchange with a ProviderError."""

    __slots__ = (
        "_answer", "_barren", "_block", "_bodiless", "_congested", "_cork", "_headers", "_keep_alive", "_keeper",
        "_origin", "_parser", "_parts", "_paused", "_readable", "_stage", "_surplus", "_transport", "_unsent",
        "idle_since", "loop", "on_body", "uploading",
    )  # fmt: skip

    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser

    def __init__(self, keeper: Keeper, origin: Origin, loop: asyncio.AbstractEventLoop, cork: Cork) -> None:
        self._keeper = keeper
        self._origin = origin
        self._cork = cork
        self.loop = loop
        self._readable = select.poll()
        self._answer: LeanResponse | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._unsent: tuple[bytes, ...] = ()
        self.on_body = self._parts.append  # for the parser: a list's own method costs no frame of Python's
        self._stage = _IDLE
        self._barren = self._block = 0
        self._bodiless = self._keep_alive = self._surplus = self._paused = self.uploading = False
        self._congested: asyncio.Future[None] | None = None
        self.idle_since = 0.0

    # For the pool

    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def is_fresh(self) -> bool:
        """Return whether the connection has carried no exchange yet, so that no server can have closed it as idle."""
        return not self.idle_since

    def is_silent(self) -> bool:
        """Open, and nothing has come since its last answer. The kernel is asked too (about 1 µs): a byte or an end
        that the loop has not handed over yet means that the next request must not be written here."""
        return not (self._transport.is_closing() or self._readable.poll(0))

    # For the transport

    def exchange(self, head: bytes, body: bytes, *, bodiless: bool) -> LeanResponse:
        """Send one request, now or with others. Its answer has `begun` when its header block is in."""
        answer = self._answer = LeanResponse(self)
        self._barren = self._block = 0
        self._bodiless = bodiless
        self._unsent = (head, body) if len(body) > _JOIN_BELOW else (head + body,)
        if not self._cork.holds(self, self.loop):
            self.flush()
        return answer

    def flush(self) -> None:
        """Write the request that waits, if it was not given up; one that finds the connection closing stays unsent."""
        unsent = self._unsent
        if unsent and not self._transport.is_closing():
            self._unsent = ()
            self._stage = _HEAD
            self._transport.writelines(unsent)

    # For an upload

    def write(self, *parts: bytes) -> None:
        """Send more of a request whose head is out; nothing once the connection has closed."""
        self.flush()
        if self.is_open():
            self._transport.writelines(parts)

    async def wait_until_drained(self) -> None:
        """Wait until the peer has taken enough for more to be written, or is gone."""
        if self._congested is not None:
            await self._congested

    # For the answer, and the pool

    def abort(self) -> None:
        """Close the socket now, without ceremony; whoever waits for the answer learns it."""
        self._gone("the gateway closed the connection")
        self._transport.abort()

    def drained(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    # For asyncio

    def pause_writing(self) -> None:
        self._congested = self.loop.create_future()

    def resume_writing(self) -> None:
        congested, self._congested = self._congested, None
        if congested is not None and not congested.done():
            congested.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if not self._stage:  # bytes that nobody asked for
            self._gone("the provider sent data without a request")
            self._transport.abort()
            return
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._broken(error)
        if self._parts:
            self._pass_on()
        elif self._barren > MAX_BARREN and self._stage != _DONE:
            self._refuse(f"more than {MAX_BARREN} bytes of headers or chunk framing")
        if self._stage == _DONE:
            self._finish()

    def eof_received(self) -> None:
        if self._stage == _BODY and self._answer is not None and _ends_by_close(self._answer.headers):
            self._keep_alive = False
            self._finish()
        else:
            self._gone("it was closed by the provider")
            self._transport.abort()  # under TLS the transport would not be closing yet, and might be taken again

    def connection_lost(self, exc: Exception | None) -> None:
        self.resume_writing()
        self._gone(str(exc or "it was closed"))
        del self._parser  # it holds our bound methods: leave no cycle behind
        self._keeper.forget(self)

    # For httptools, which finds `on_body` too. What is raised here comes out of feed_data as an HttpParserError, with
    # this as its context.

    def on_message_begin(self) -> None:
        if self._stage == _DONE:
            raise ValueError("data after the end of the answer")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        headers, self._headers = self._headers, []  # trailers are never merged into the headers
        status = self._parser.get_status_code()
        if status < 200 or self._barren > MAX_HEADER_BLOCK:
            self._weigh(headers)
            if status < 200:
                _check_interim(status)
                return
        names = [*map(_name_of, headers)]
        if b"transfer-encoding" in names:
            _check_transfer_coding(headers)
        encoding = encoding_of(headers) if b"content-encoding" in names else b""
        self._stage = _BODY
        self._barren = 0
        answer = self._answer
        if answer is not None:
            answer.begin(status, headers, encoding)
        if self._bodiless:
            self._end_without_body()

    def on_message_complete(self) -> None:
        if self._stage == _BODY:
            self._keep_alive = self._parser.should_keep_alive()
            self._stage = _DONE

    # What follows

    def _weigh(self, headers: Headers) -> None:
        """Interim answers share the budget of one header block with the answer itself."""
        self._block += sum(len(name) + len(value) + 4 for name, value in headers)
        if self._block > MAX_HEADER_BLOCK:
            raise ValueError(f"header block of more than {MAX_HEADER_BLOCK} bytes")

    def _end_without_body(self) -> None:
        """RFC 9112, 6.3: the answer to HEAD describes a body that does not come."""
        self.on_message_complete()
        self._parser = httptools.HttpResponseParser(self)

    def _pass_on(self) -> None:
        body = b"".join(self._parts)
        self._parts.clear()
        self._barren = 0
        answer = self._answer
        if answer is None or self._bodiless:  # a body that nobody asked for
            self._surplus = True
        elif answer.feed(body) > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _finish(self) -> None:
        answer = self._answer
        self._answer = None
        self._stage = _IDLE
        if answer is not None:
            answer.end(None)
        # A server may answer before it has read the request: what is unsent would be the next request's beginning.
        is_unfit = not self._keep_alive or self._surplus or self.uploading
        if is_unfit or self._transport.get_write_buffer_size():
            self._transport.abort()
            return
        if self._paused:
            self.drained()
        self._keeper.keep(self)

    def _broken(self, error: Exception) -> None:
        if self._stage == _DONE:  # the answer was whole; what came behind it is only a reason not to reuse
            self._surplus = True
        else:
            self._refuse(f"not a proper HTTP answer: {error.__context__ or error}")

    def _refuse(self, why: str) -> None:
        self._fail("malformed", why)
        self._transport.abort()

    def _gone(self, why: str) -> None:
        if self._stage == _BODY:
            self._fail("truncated", f"the connection ended in the middle of the answer: {why}")
        else:
            self._fail("lost", f"the connection ended before the answer: {why}")

    def _fail(self, kind: FailureKind, what: str) -> None:
        answer = self._answer
        if answer is None:
            return
        unsent, self._unsent = self._unsent, ()
        if self._parts:  # what came before the break is handed on
            self._pass_on()
        self._answer = None
        self._stage = _IDLE
        origin = self._origin
        failure: type[ProviderError] = Unsent if unsent else ProviderError
        if kind == "lost" and not unsent and self.idle_since and not (self._barren or self._block):
            failure = Unanswered
        answer.end(failure(kind, f"{origin.scheme}://{origin.host}:{origin.port}: {what}"))


def _check_interim(status: int) -> None:
    """100 and 103 are skipped; 101 answers an upgrade we never ask for."""
    if status == 101 or status < 100:
        raise ValueError(f"status {status}")


def _check_transfer_coding(headers: Headers) -> None:
    for name, value in headers:
        if name == b"transfer-encoding" and value.lower() != b"chunked":
            raise ValueError(f"transfer-encoding {value[:80]!r}")


def _ends_by_close(headers: Headers) -> bool:
    return not any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)
