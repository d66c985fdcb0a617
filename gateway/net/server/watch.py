"""The clock of one connection: its next deadline, and whether its client takes what waits for it.

One lazy timer per connection. Setting a deadline is an assignment; the timer wakes at the deadline that it knows of,
and at least once in the shortest limit, so it never comes late to one that was set meanwhile.
"""

import asyncio
import math
from collections.abc import Callable

from gateway.net.server.limits import ServerLimits
from gateway.net.server.sockets import reset

NEVER = math.inf


class Watch:
    """Times are those of `loop.time()`. `deadline` may be assigned; `expire` is called once it has passed."""

    __slots__ = (
        "_drained",
        "_drained_at",
        "_expire",
        "_limits",
        "_loop",
        "_timer",
        "_transport",
        "deadline",
        "written",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        limits: ServerLimits,
        expire: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._limits = limits
        self._expire = expire
        self.written = 0
        self._drained = 0
        self._drained_at = loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.deadline = NEVER

    def within(self, seconds: float) -> None:
        """Set the deadline to so many seconds from now; not less than the shortest limit."""
        self.deadline = self._loop.time() + seconds

    def within_short(self, seconds: float) -> None:
        """Set a deadline that may be nearer than the shortest limit."""
        self.within(seconds)
        self._arm(self._loop.time())

    def stop(self) -> None:
        """The connection is over."""
        self.deadline = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def congested(self) -> None:
        """Bytes begin to wait for the client: the write timeout runs from here."""
        self._progress(self._loop.time())

    def _tick(self) -> None:
        now = self._loop.time()
        self._timer = None
        if self._progress(now) and now - self._drained_at >= self._limits.write_seconds:
            reset(self._transport)
            return
        if now >= self.deadline:
            self.deadline = NEVER
            self._expire()
        if self._timer is None:
            self._arm(now)

    def _progress(self, now: float) -> int:
        """Note whether the client took anything since the last look; returns how many bytes wait for it."""
        waiting = self._transport.get_write_buffer_size()
        drained = self.written - waiting
        if not waiting or drained != self._drained:
            self._drained = drained
            self._drained_at = now
        return waiting

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at = min(self.deadline, now + self._limits.shortest)
        if self._progress(now):
            at = min(at, self._drained_at + self._limits.write_seconds)
        self._timer = self._loop.call_at(at, self._tick)
