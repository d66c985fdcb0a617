"""Virtual time: an event loop whose clock stands still while it works, and then jumps to its next timer.

Nothing sleeps. While an operation of the store is under way the clock stands still, however long the answer takes, so
real I/O costs no virtual time. What is ready runs before any answer is looked for, and a thread's work is done at once:
so one seed gives one history, however busy the machine is.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from gateway.rollout.recorder import Clock

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")

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

    def run_in_executor(
        self, _executor: object, func: Callable[[*_Arguments], _Result], *args: *_Arguments
    ) -> asyncio.Future[_Result]:
        """Do a thread's work here and now: no clock may jump while it is under way."""
        future: asyncio.Future[_Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def clock(self) -> Clock:
        """The clocks of a gateway that runs on this loop."""
        return Clock(self.time, self.unix)


class _Jumping(selectors.DefaultSelector):
    """A selector that waits for real events only where real events are awaited; otherwise the clock jumps."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []
        if self._loop.waiting or timeout is None:
            return super().select()
        self._loop.now += timeout
        return []
