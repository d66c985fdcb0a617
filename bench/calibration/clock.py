"""Virtual time: an event loop whose clock stands still while it works, and then jumps to its next timer.

Nothing sleeps. While an operation of the store is under way the clock stands still, however long the answer takes, so
real I/O costs no virtual time.
"""

import asyncio
import selectors

from gateway.rollout.recorder import Clock

EPOCH = 1_790_000_000.0  # Unix seconds at which every simulation begins


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual seconds. `waiting` counts what is awaited of the real world; until it is 0 no time
    passes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting = 0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now

    def unix(self) -> float:
        """The wall clock, in Unix seconds."""
        return EPOCH + self.now

    def clock(self) -> Clock:
        """The clocks of a gateway that runs on this loop."""
        return Clock(self.time, self.unix)


class _Jumping(selectors.DefaultSelector):
    """A selector that waits for real events only where real events are awaited; otherwise the clock jumps."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.waiting or timeout is None:
            return super().select(0 if timeout == 0 else None)
        self._loop.now += timeout
        return []
