"""The connection under the protocol: who is on it, its clocks, and every way in which it can end.

settle   between requests: rest until the keep-alive time is over
refuse   a request broke a limit: say so in its turn, then linger
linger   throw away what comes until the client has read our last words
close    in good order, after the last answer
cut      the answer broke: it must not look whole
leave    the client is gone: the application learns of it at once
"""

import asyncio
from collections import deque

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from gateway.errors import Overloaded, RequestTimeout, SerinusError
from gateway.net.asgi import ASGIApp
from gateway.net.server.exchange import Exchange
from gateway.net.server.head import Head
from gateway.net.server.intake import Intake
from gateway.net.server.refusals import render
from gateway.net.server.sockets import reset
from gateway.net.server.traffic import Traffic
from gateway.net.server.watch import NEVER, Watch

# A connection without any request when the drain begins may have its first under way: it gets this long, in seconds.
FIRST_REQUEST_SECONDS = 0.5
# Connections above the cap that are told so at the same time, or a tenth of the cap; the rest are just closed.
MOST_TURNED_AWAY = 100
BUSY = "The gateway is busy; try again in a second."


class BoundedConnection(asyncio.Protocol):
    """The connection. At any time at most one exchange is `_answering` and one, maybe the same, `_receiving`."""

    def __init__(
        self, app: ASGIApp, traffic: Traffic, app_state: dict[str, object], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.app = app
        self.app_state = app_state
        self.loop = loop
        self.parser = new_parser(self)
        self._traffic = traffic
        self._room = traffic.room
        self._cork = traffic.cork
        self._limits = traffic.limits
        self._head: Head | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._receiving: Exchange | None = None
        self._answering: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._body_left = self._body_most = 0
        # An upload whose time was up before, and `_body_left` then.
        self._upload_seen: tuple[Exchange, int] | None = None
        # Bytes read since the last head or piece of a body was complete: what an endless header is made of.
        self._unused = 0
        self._idle = True
        self._fresh = True
        self._upgrading = False
        # No more input is looked at: refused, or closing.
        self._deaf = False
        self._refusal: SerinusError | None = None
        self._refused_path = ""
        # What waits to be written together with what others write.
        self._unsent: list[bytes] = []

    # Called by the loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.closing = transport.is_closing  # True: nothing written from now on will reach the client
        self.flow = FlowControl(transport)
        self._watch = Watch(self.loop, transport, self._limits, self._expire)
        self._intake = Intake(self.loop, transport, self.flow, self._vanish)
        self.client = get_remote_addr(transport)
        if not self._room.take(self, self.loop.time()):
            self.turn_away()
            return
        self.server = get_local_addr(transport)
        self._watch.within_short(self._limits.first_byte_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = True
        self._unsent.clear()
        self._watch.stop()
        self._room.leave(self)
        self._traffic.turned_away.discard(self)
        self._traffic.lost()
        self.parser = None  # type: ignore[assignment]  # it refers back to us
        self._traffic.look()
        self._leave()

    def eof_received(self) -> None:
        self.flush()
        # A client that closed its side is taken to be gone, as nginx does: it would never see a slow answer's abort.
        self._leave()

    def pause_writing(self) -> None:
        self._watch.congested()
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    # Called by the cork.

    def flush(self) -> None:
        """Hand what waits to the transport, which sends it or queues it."""
        unsent, self._unsent = self._unsent, []
        if unsent and not self.transport.is_closing():
            self._watch.written += sum(map(len, unsent))
            self.transport.writelines(unsent)

    # Called by the exchange.

    def write(self, data: bytes) -> None:
        """Send bytes to the client, together with what else this turn of the loop has to write."""
        if self._unsent or self._cork.holds(self, self.loop):
            self._unsent.append(data)
        else:
            self._watch.written += len(data)
            self.transport.write(data)

    def want_body(self) -> None:
        """The application has taken what there was of the body."""
        self._intake.resume()

    def cut(self, exchange: Exchange) -> None:
        """The application ended without completing its answer: the client must not take it for a whole one."""
        self.flush()
        self._answering = None
        self._deaf = True
        # An answer that ends with the connection would look whole after an orderly close.
        if exchange.scope["http_version"] == "1.0":
            reset(self.transport)
        else:
            self._close()

    def ended(self, exchange: Exchange) -> None:
        """The exchange's task is over."""
        if exchange.task is not None:
            self._traffic.tasks.discard(exchange.task)
            if self._traffic.draining:
                self._traffic.look()

    # Called by the server.

    def shutdown(self) -> None:
        """The server drains: close after the last answer, or, where nothing is under way, after `idle_seconds`."""
        if self._answering is not None:
            last = self._waiting[-1] if self._waiting else self._answering
            last.keep_alive = False
        elif self._idle and self._fresh:
            self._watch.within_short(FIRST_REQUEST_SECONDS)
        elif self._idle and not self._deaf and self._traffic.idle_seconds:
            self._watch.within_short(self._traffic.idle_seconds)
        elif self._idle and not self._deaf:
            self._close()

    def reset(self) -> None:
        """Cut the client off at once, so that no answer looks whole."""
        reset(self.transport)

    # Ends.

    def _settle(self) -> None:
        """An answer or a request ended: rest, unless more is under way."""
        if self._receiving is not None:
            return
        if self._head is not None:
            self._watch.within(self._limits.head_seconds)
        elif self._traffic.draining:
            self._close()
        else:
            self._idle = True
            self._watch.within(self._limits.keep_alive_seconds)

    def _expire(self) -> None:
        """The deadline passed: which one it was follows from what is under way."""
        if self._deaf:
            self._end_linger()
        elif self._idle:
            self._close()
        elif self._receiving is None:
            self._refuse(RequestTimeout(f"The header block took longer than {self._limits.head_seconds:g} seconds."))
        elif self._uploads_on(self._receiving):
            self._watch.within(self._limits.body_seconds)
        else:
            self._refuse(RequestTimeout(f"The body took longer than {self._limits.body_seconds:g} seconds."))

    def _uploads_on(self, exchange: Exchange) -> bool:
        """Return whether this is an upload that progressed in its last `body_seconds`, or waits for the gateway."""
        limits = self._limits
        if exchange.complete or not limits.takes_uploads(exchange.scope["path"]):
            return False
        seen, self._upload_seen = self._upload_seen, (exchange, self._body_left)
        before = seen[1] if seen is not None and seen[0] is exchange else self._body_most
        waits_for_us = exchange.body.waits_for_us or self.flow.read_paused
        return waits_for_us or before - self._body_left >= limits.upload_step

    def _refuse(self, refusal: SerinusError) -> None:
        """Stop listening; answer with the refusal when its turn comes."""
        self._deaf = True
        exchange, self._receiving = self._receiving, None
        self._refused_path = self._path_of(exchange)
        if exchange is None:
            pass
        elif exchange.complete:
            # Its answer is out already: a second one would be taken for the next request's.
            self._linger()
            return
        elif exchange is self._answering:
            self._answering = None
            exchange.abandon()
        else:
            self._waiting.pop()
        if exchange is not None and exchange.started:
            reset(self.transport)
        elif self._answering is None:
            self._dismiss(refusal)
        else:
            self._refusal = refusal

    def _dismiss(self, refusal: SerinusError) -> None:
        path, client = self._refused_path, self.client[0] if self.client else ""
        id_ = self._limits.note_refusal(refusal, path, client)
        self.write(render(refusal, self._limits.refusal_body(refusal, path, id_), id_))
        self._linger()

    def _path_of(self, exchange: Exchange | None) -> str:
        """Return the path of the request that is refused, as far as it is known."""
        if exchange is not None:
            path: str = exchange.scope["path"]
            return path
        return "" if self._head is None else bytes(self._head.target).partition(b"?")[0].decode("latin-1")

    # Called by the room.

    @property
    def rests(self) -> bool:
        """Return whether nothing is under way, so that the connection may be closed without an answer."""
        return self._idle and not self._deaf

    @property
    def is_served(self) -> bool:
        """Return whether a request is being answered."""
        return self._answering is not None

    @property
    def rests_until(self) -> float:
        """The time in the loop's clock at which a resting connection is closed."""
        return self._watch.deadline

    def give_way(self) -> None:
        """Close, as another one needs the room."""
        self._close()

    def turn_away(self) -> None:
        """Refuse one connection too many with an answer, while there is room even for that."""
        turned_away, was_deaf = self._traffic.turned_away, self._deaf
        self._deaf = True
        if was_deaf or len(turned_away) >= max(MOST_TURNED_AWAY, self._limits.max_connections // 10):
            self.transport.abort()
            return
        turned_away.add(self)
        self._dismiss(Overloaded(BUSY))

    def _close(self) -> None:
        """Close in good order; where the client may still be sending, only after it could read the answer."""
        if self._receiving is not None or self._intake.held:
            self._linger()
            return
        self._deaf = True
        self._watch.deadline = NEVER
        self.flush()
        self.transport.close()

    def _linger(self) -> None:
        self._deaf = True
        self._receiving = None
        self._intake.release()
        if self.transport.is_closing():
            return
        self.flush()
        self._intake.resume()
        self.transport.write_eof()
        self._watch.within_short(self._limits.linger_seconds)

    def _end_linger(self) -> None:
        # What still waits to be written has the write timeout's patience.
        if self.transport.get_write_buffer_size():
            self._watch.within_short(self._limits.linger_seconds)
        else:
            self.transport.abort()

    def _leave(self) -> None:
        """The client is gone: the application learns of it at once, nothing that it asked for later begins."""
        self._deaf = True
        self._waiting.clear()
        self._intake.release()
        exchange, self._answering = self._answering, None
        self.flow.resume_writing()
        if exchange is not None:
            exchange.abandon()

    def _vanish(self) -> None:
        self._leave()
        self.transport.abort()


def new_parser(protocol: asyncio.Protocol) -> httptools.HttpRequestParser:
    """Return a parser that calls the protocol; what comes behind `connection: close` is read, to be thrown away."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
