"""A client connection: HTTP/1.1 in, bounded in size and time, and exchanges out to the application in order.

What uvicorn's own protocol lacks: limits, deadlines, one meaning per request, word of clients that leave.
"""

import asyncio

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from gateway.errors import BodyTooLarge, MethodNotAllowed, Overloaded, SerinusError
from gateway.net.server.body import RequestBody
from gateway.net.server.connection import BUSY, BoundedConnection, new_parser
from gateway.net.server.disconnect import EXTENSION, Departure
from gateway.net.server.exchange import Exchange
from gateway.net.server.head import Head
from gateway.net.server.refusals import BadFraming, HeadTooLarge, TargetTooLong
from gateway.net.server.watch import NEVER
from gateway.net.server.websocket import WebSocket


class BoundedProtocol(BoundedConnection):
    """Connection that turns bytes into exchanges: at most one is answered and one received at any time."""

    # Called by the loop.

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._answering is not None and self._answering is not self._receiving:
            self._intake.hold(data)
            return
        idle, receiving = self._idle, self._receiving
        self._idle = self._fresh = False
        if not self._feed(data):
            return
        # Most requests come whole, in one piece: only what has begun and is not there yet needs a deadline.
        if self._receiving is not None:
            if self._receiving is not receiving and self._receiving is self._answering:
                self._watch.within(self._limits.body_seconds)
        elif idle and self._answering is None:
            self._watch.within(self._limits.head_seconds)

    # Called by the parser; an exception here comes out of feed_data as the context of an HttpParserCallbackError.

    def on_message_begin(self) -> None:
        self._head = head = Head()
        self._headers = head.headers

    def on_url(self, url: bytes) -> None:
        head = self._opened()
        head.target += url
        if len(head.target) > self._limits.target_bytes:
            raise TargetTooLong(f"The request's target is longer than {self._limits.target_bytes} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        head = self._opened()
        method = self.parser.get_method()
        if self.parser.should_upgrade():
            if method == b"CONNECT":
                raise MethodNotAllowed("CONNECT is not offered.")
            self._upgrading = True
            return
        version = self.parser.get_http_version()
        self._check(head, version)
        self._head = None
        self._headers = []  # trailers: they must not pass for headers that were there at the judgement
        self._unused = 0
        self._body_left = self._body_most = self._limits.body_bytes
        if head.is_chunked or head.length > self._body_most:  # only then may the path matter
            self._body_left = self._body_most = self._limits.most_bytes(head.path)
        self._receiving = exchange = self._exchange(head, method, version)
        self._admit(exchange)

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        self._body_left = left = self._body_left - len(body)
        if left < 0:
            raise _too_large(self._body_most)
        exchange = self._receiving
        if exchange is not None and not exchange.complete and exchange.body.feed(body) > HIGH_WATER_LIMIT:
            self._intake.pause()

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self._unused = 0
        exchange, self._receiving = self._receiving, None
        if exchange is None or exchange.complete:
            self._settle()
            return
        exchange.body.feed_end()
        self._watch.deadline = NEVER
        if self.flow.read_paused:  # it would not tell that its client left
            self._intake.resume()

    # Called by the exchange.

    def answered(self, exchange: Exchange) -> None:
        """The answer is complete: the next exchange, a refusal that had to wait, or rest."""
        self._answering = None
        if self.closing():
            return
        if not exchange.keep_alive:
            self._close()
        elif self._waiting:
            self._begin(self._waiting.popleft())
            if self._answering is self._receiving:
                self._watch.within(self._limits.body_seconds)
        elif self._refusal is not None:
            self._dismiss(self._refusal)
        else:
            self._settle()
        if self.flow.read_paused:
            self._intake.resume()
        if self._intake.held and not self._deaf:
            self.data_received(self._intake.release())

    def switch(self, exchange: Exchange, head: bytes) -> WebSocket:
        """Send the head of the answer and speak WebSocket from here on. The exchange is the last on this connection."""
        self._answering = None
        self._deaf = True
        self.write(head)
        self.flush()
        self._watch.stop()
        socket = WebSocket(self.transport, self.flow, self.loop, self._traffic, exchange.departure)
        self._room.change(self, socket)
        self.transport.set_protocol(socket)
        self._intake.resume()
        self.parser = None  # type: ignore[assignment]  # it refers back to us
        if held := self._intake.release():
            socket.data_received(held)
        return socket

    # Requests.

    def _opened(self) -> Head:
        if self._head is None:
            raise BadFraming("Unexpected start of a header block.")
        return self._head

    def _check(self, head: Head, version: str) -> None:
        limits = self._limits
        head.check(version)
        if len(head.headers) > limits.header_count:
            raise HeadTooLarge(f"The request has more than {limits.header_count} headers.")
        if self._unused > limits.head_bytes:
            head.check_size(limits)
        if head.length > limits.body_bytes and head.length > (most := limits.most_bytes(head.path)):
            raise _too_large(most)
        if len(self._waiting) >= limits.max_pipelined:
            raise Overloaded("Too many requests at once on one connection.")

    def _exchange(self, head: Head, method: bytes, version: str) -> Exchange:
        scope = head.request(method, version)
        is_reserved = self._room.is_reserved(self)
        if is_reserved and not scope["path"].startswith(self._limits.always_served):
            raise Overloaded(BUSY)
        departure = Departure()
        scope["client"] = self.client
        scope["server"] = self.server
        scope["state"] = self.app_state.copy()
        scope["extensions"] = {EXTENSION: departure}
        modern = version == "1.1"
        keep_alive = modern and self.parser.should_keep_alive() and not (self._traffic.draining or is_reserved)
        return Exchange(self, scope, RequestBody(self, modern and head.expects_continue), departure, keep_alive)

    def _admit(self, exchange: Exchange) -> None:
        if self._answering is None:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)

    def _begin(self, exchange: Exchange) -> None:
        self._answering = exchange
        # Made by hand: the loop would give each one a name of its own, which costs more than it tells.
        exchange.task = task = asyncio.Task(exchange.run(self.app), loop=self.loop, name="exchange")
        self._traffic.tasks.add(task)

    def _feed(self, data: bytes) -> bool:
        """Parse the data; return whether it is valid so far. An invalid request is refused."""
        self._unused += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, SerinusError) else BadFraming(f"This is not HTTP/1.1: {error}."))
            return False
        if self._unused > self._limits.head_bytes:
            self._refuse(HeadTooLarge(f"The header block is larger than {self._limits.head_bytes} bytes."))
            return False
        return True

    def _ignore_upgrade(self, rest: bytes) -> bool:
        # The parser drops the body of a request that asks for an upgrade: a new one reads it without the asking.
        head = self._opened()
        method, version = self.parser.get_method(), self.parser.get_http_version()
        may_switch = method == b"GET" and version == "1.1" and not rest and head.asks_for_websocket
        self._upgrading = False
        self._unused = 0
        self.parser = new_parser(self)
        if not self._feed(head.without_upgrade(method, version) + rest):
            return False
        if may_switch and self._receiving is None:
            exchange = self._waiting[-1] if self._waiting else self._answering
            if exchange is not None:  # it has not begun to run
                exchange.scope["type"] = "websocket"
        return True


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request's body is larger than {most} bytes.")
