"""Reading from one client: what it sends ahead is held, and while reading is paused its leaving is still noticed.

Noticed as far as TCP can tell: a client's end that stands behind more bytes than the kernel takes is not seen until
reading goes on.
"""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

from gateway.net.server.sockets import hung_up

# While reading is paused the loop does not see a client leave: the socket is asked this often, in seconds.
PEEK_SECONDS = 0.05
# Bytes taken of requests sent ahead of their turn before reading pauses.
HELD_BYTES = 64 * 1024


class Intake:
    """`held` are bytes that wait for their turn; `left` is called when the client closed its side while reading was
    paused."""

    __slots__ = ("_flow", "_left", "_loop", "_peeking", "_transport", "held")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        flow: FlowControl,
        left: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._flow = flow
        self._left = left
        self.held = bytearray()
        self._peeking = False

    def hold(self, data: bytes) -> None:
        """Keep bytes whose turn has not come; pause when they are many."""
        self.held += data
        if len(self.held) > HELD_BYTES:
            self.pause()

    def release(self) -> bytes:
        """The bytes held so far, once."""
        data = bytes(self.held)
        self.held.clear()
        return data

    def pause(self) -> None:
        """Read no more, but look whether the client leaves."""
        if self._flow.read_paused or self._transport.is_closing():
            return
        self._flow.pause_reading()
        if not self._peeking:
            self._peeking = True
            self._loop.call_later(PEEK_SECONDS, self._peek)

    def resume(self) -> None:
        """Read again."""
        if self._flow.read_paused and not self._transport.is_closing():
            self._flow.resume_reading()

    def _peek(self) -> None:
        self._peeking = False
        if not self._flow.read_paused or self._transport.is_closing():
            return
        if hung_up(self._transport):
            self._left()
            return
        self._peeking = True
        self._loop.call_later(PEEK_SECONDS, self._peek)
