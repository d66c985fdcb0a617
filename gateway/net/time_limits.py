"""Time limits for what one task awaits, at a fraction of what `asyncio.timeout` costs a call: they cannot be moved.

Nearly every limit is left long before it runs out. So a loop has one timer for all of them, which is set anew only
where a limit would run out before it.
"""

import asyncio
import math
from types import TracebackType


class TimeLimits:
    """The limits of one event loop's tasks, and its timer.

    `with TimeLimit(limits, seconds):` raises TimeoutError once they have passed.
    """

    __slots__ = ("_timer", "due", "loop", "running")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.running: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.due = math.inf

    def find_loop(self) -> asyncio.AbstractEventLoop:
        """Find the loop, once: to ask costs a system call. Raises RuntimeError where none runs."""
        self.loop = asyncio.get_running_loop()
        return self.loop

    def set(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the limits at that time, and no more at another."""
        if self._timer is not None:
            self._timer.cancel()
        self.due, self._timer = due, loop.call_at(due, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what has run out; come back for what runs out next."""
        self.due, self._timer = math.inf, None
        now = loop.time()
        for limit in [limit for limit in self.running if limit.until <= now]:
            self.running.discard(limit)
            limit.run_out()
        if self.running:
            self.set(min(limit.until for limit in self.running), loop)


class TimeLimit:
    """A time limit that cancels its task, like `asyncio.timeout`. A cancellation from elsewhere passes unchanged."""

    __slots__ = ("_cancelling", "_is_over", "_limits", "_seconds", "_task", "until")

    _task: asyncio.Task[object]
    until: float

    def __init__(self, limits: TimeLimits, seconds: float) -> None:
        self._limits = limits
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        """Start the time limit. Raises RuntimeError outside of a task."""
        limits = self._limits
        loop = limits.loop or limits.find_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a time limit is for a task")
        self._task, self._cancelling = task, task.cancelling()
        self.until = until = loop.time() + self._seconds
        limits.running.add(self)
        if until < limits.due:
            limits.set(until, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limits.running.discard(self)
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def run_out(self) -> None:
        """The time is over."""
        self._is_over = True
        self._task.cancel()
