"""A WebSocket (RFC 6455) on a connection that spoke HTTP before: its messages, its bounds, its ends.

The frame protocol is wsproto's. Here are its bounds: the size of a message and how long it may take, what waits to be
read or written, how long a socket may rest, and what a server that drains says. No extension is negotiated, so no frame
is larger than it looks.
"""

import asyncio
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Mapping
from hashlib import sha1
from itertools import islice

from uvicorn.protocols.http.flow_control import FlowControl
from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

from gateway.errors import CallerError, UpgradeRefused
from gateway.net.server.disconnect import Departure
from gateway.net.server.intake import HELD_BYTES, Intake
from gateway.net.server.sockets import reset
from gateway.net.server.traffic import Traffic
from gateway.net.server.watch import NEVER, Watch

VERSION = b"13"
# A message that waits counts as so many bytes at least: an empty one takes memory, too.
_LEAST_HELD = 64
# Each frame takes some 20 µs however small it is: so many are read in one turn of the loop, and make a message at most.
_FRAMES_A_TURN = 64
_MOST_FRAGMENTS = 16_384
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_KEY_BYTES = 16
_RESTARTS = "the gateway restarts: connect again"


def accept_key(headers: Mapping[bytes, bytes]) -> bytes:
    """Return what proves that the handshake was understood. Raises UpgradeRefused for another version, CallerError."""
    if headers.get(b"sec-websocket-version", b"").strip() != VERSION:
        raise UpgradeRefused("WebSocket version 13 is spoken here; send POST with stream: true otherwise")
    key = headers.get(b"sec-websocket-key", b"").strip()
    try:
        is_valid = len(b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        is_valid = False
    if not is_valid:
        raise CallerError("Sec-WebSocket-Key must be 16 bytes in base64", code="bad_request")
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


class WebSocket(asyncio.Protocol):
    """Messages of one client. A message that `receive` returned is in work until `receive` is called again."""

    def __init__(
        self,
        transport: asyncio.Transport,
        flow: FlowControl,
        loop: asyncio.AbstractEventLoop,
        traffic: Traffic,
        departure: Departure,
    ) -> None:
        self._transport = transport
        self._flow = flow
        self._loop = loop
        self._traffic = traffic
        self._limits = traffic.limits
        self._departure = departure
        self._frames = FrameProtocol(client=False, extensions=[])
        self._watch = Watch(loop, transport, traffic.limits, self._expire)
        self._intake = Intake(loop, transport, flow, self._vanish)
        self._messages: deque[bytes] = deque()
        self._partial = bytearray()
        self._is_partial = False
        self._fragments = 0
        self._is_behind = False  # frames that came are left for the next turn of the loop
        self._held = 0
        self._wake = asyncio.Event()
        self._in_work = True  # the handshake
        self._closing = False
        self._listener: Callable[[bytes], bool] | None = None
        self._watch.within_short(traffic.limits.websocket_idle_seconds)

    # Called by the application.

    async def receive(self) -> bytes | None:
        """Return the next message; None once the socket ends, or where the server drains."""
        self._in_work = False
        if self._traffic.draining:
            self.close(CloseReason.SERVICE_RESTART, _RESTARTS)
        self._rest()
        while not self._messages and not self._closing:
            if not self._is_behind:
                self._intake.resume()
            self._wake.clear()
            await self._wake.wait()
        if self._closing:
            return None
        message = self._messages.popleft()
        self._held -= max(len(message), _LEAST_HELD)
        self._in_work = True
        self._watch.deadline = NEVER
        return message

    def listen(self, listener: Callable[[bytes], bool] | None) -> None:
        """Show each message that comes while one is in work to the listener, which returns whether it is done with it.

        The next message, where it is there already, is shown at once.
        """
        self._listener = listener
        if listener is not None and self._messages and listener(self._messages[0]):
            self._held -= max(len(self._messages.popleft()), _LEAST_HELD)

    @property
    def most_bytes(self) -> int:
        """The largest size of a message."""
        return self._limits.body_bytes

    @property
    def is_ready(self) -> bool:
        """Return whether a message can be written without waiting."""
        return not (self._flow.write_paused or self._closing or self._transport.is_closing())

    async def send(self, text: str) -> None:
        """Write a message; waits while the client is slow, and drops the message when the client is gone."""
        if self._transport.is_closing():
            await asyncio.sleep(0)  # who only sends must not keep the loop from telling it that the client left
        elif self._flow.write_paused:
            await self._flow.drain()
        self.write(text)

    def write(self, text: str) -> None:
        """Write a message at once."""
        if not self._closing:
            self._put(self._frames.send_data(text))

    def close(self, code: int, reason: str = "") -> None:
        """Say why the socket ends; what the client still sends is thrown away until it has read that."""
        if self._closing:
            return
        self._put(self._frames.close(code, reason))
        self._closing = True
        self._messages.clear()
        self._partial.clear()
        self._wake.set()
        if self._transport.is_closing():
            return
        self._intake.resume()
        self._transport.write_eof()
        self._watch.within_short(self._limits.linger_seconds)

    # Called by the loop.

    def data_received(self, data: bytes) -> None:
        if not self._closing:
            self._frames.receive_bytes(data)
            if not self._is_behind:
                self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._watch.stop()
        self._traffic.room.leave(self)
        self._traffic.lost()
        self._traffic.look()
        self._flow.resume_writing()
        self._wake.set()
        self._departure.happen()

    def eof_received(self) -> None:
        self._departure.happen()

    def pause_writing(self) -> None:
        self._watch.congested()
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        self._flow.resume_writing()

    # Called by the server and its room.

    @property
    def rests(self) -> bool:
        """Return whether nothing is under way, so that the socket may be closed for a newcomer."""
        return not (self._in_work or self._is_partial or self._messages or self._closing)

    @property
    def is_served(self) -> bool:
        """Return whether a message is in work."""
        return self._in_work

    @property
    def rests_until(self) -> float:
        """The time in the loop's clock at which a resting socket is closed."""
        return self._watch.deadline

    def give_way(self) -> None:
        """Close, as another connection needs the room."""
        self._end(CloseReason.TRY_AGAIN_LATER, "the gateway needs the connection for others")

    turn_away = give_way

    def shutdown(self) -> None:
        """The server drains: close now, or after the message in work."""
        if not self._in_work:
            self._end(CloseReason.SERVICE_RESTART, _RESTARTS)

    def reset(self) -> None:
        """Cut the client off at once."""
        reset(self._transport)

    # Frames.

    def _read(self) -> None:
        """Take the frames that have come, a few in each turn of the loop. Reading waits until all of them are taken."""
        self._is_behind = False
        if self._closing:
            return
        taken = 0
        try:
            for frame in islice(self._frames.received_frames(), _FRAMES_A_TURN):
                self._take(frame)
                taken += 1
        except ParseFailed as error:
            is_undecodable = error.code == CloseReason.INVALID_FRAME_PAYLOAD_DATA  # said in words of Python's codec
            self._end(error.code, "a message must be text in UTF-8" if is_undecodable else str(error))
            return
        self._is_behind = taken == _FRAMES_A_TURN and not self._closing
        if self._is_behind:
            self._loop.call_soon(self._read)
        is_full = self._held + len(self._partial) > HELD_BYTES and (self._in_work or bool(self._messages))
        if self._is_behind or is_full:
            self._intake.pause()
        else:
            self._intake.resume()

    def _take(self, frame: Frame) -> None:
        payload = frame.payload
        if self._closing:
            return
        if frame.opcode is Opcode.PING:
            if self.is_ready:  # else whoever reads nothing could make pongs pile up
                self._put(self._frames.pong(bytes(payload)))  # type: ignore[arg-type]
        elif frame.opcode is Opcode.CLOSE:
            code = payload[0]
            self._end(code if isinstance(code, int) else CloseReason.NORMAL_CLOSURE)
        elif frame.opcode is Opcode.BINARY:
            self._end(CloseReason.UNSUPPORTED_DATA, "send events as text")
        elif isinstance(payload, str):
            self._fragments += frame.frame_finished
            self._extend(payload.encode(), frame.message_finished)

    def _extend(self, piece: bytes, is_last: bool) -> None:
        """Take a piece of a message."""
        if len(self._partial) + len(piece) > self._limits.body_bytes:
            self._end(CloseReason.MESSAGE_TOO_BIG, f"a message has at most {self._limits.body_bytes} bytes")
            return
        if self._fragments > _MOST_FRAGMENTS:
            self._end(CloseReason.POLICY_VIOLATION, f"a message has at most {_MOST_FRAGMENTS} fragments")
            return
        if not self._is_partial and not is_last:
            self._is_partial = True
            if not self._in_work:
                self._watch.within(self._limits.body_seconds)
        self._partial += piece
        if is_last:
            message = bytes(self._partial)
            self._partial.clear()
            self._is_partial = False
            self._fragments = 0
            self._complete(message)

    def _complete(self, message: bytes) -> None:
        if self._in_work and self._listener is not None and self._listener(message):
            return
        self._messages.append(message)
        self._held += max(len(message), _LEAST_HELD)
        self._wake.set()

    def _rest(self) -> None:
        """Nothing is in work: the rest of a message that has begun is awaited, or a new one."""
        if not self._closing:
            limits = self._limits
            self._watch.within(limits.body_seconds if self._is_partial else limits.websocket_idle_seconds)

    def _expire(self) -> None:
        """The deadline passed: which one it was follows from what is under way."""
        if self._closing and self._transport.get_write_buffer_size():
            self._watch.within_short(self._limits.linger_seconds)
        elif self._closing:
            self._transport.abort()
        elif self._is_partial:
            self._end(CloseReason.POLICY_VIOLATION, f"a message took longer than {self._limits.body_seconds:g} seconds")
        elif not self._in_work:
            self._end(CloseReason.GOING_AWAY, "nothing was asked for too long")

    def _put(self, data: bytearray) -> None:
        self._watch.written += len(data)
        self._transport.write(data)

    def _end(self, code: int, reason: str = "") -> None:
        """Close, and let the application know: what is in work is cancelled."""
        self.close(code, reason)
        self._departure.happen()

    def _vanish(self) -> None:
        self._departure.happen()
        self._transport.abort()
