"""A time limit for what one task awaits, at half of what `asyncio.timeout` costs a call: it cannot be moved."""

import asyncio
from types import TracebackType


class TimeLimit:
    """`with TimeLimit(seconds):` around an await raises TimeoutError once they have passed; used once.

    The task is cancelled then, as by `asyncio.timeout`: a cancellation from elsewhere goes through as what it is.
    """

    __slots__ = ("_cancelling", "_is_over", "_seconds", "_task", "_timer")

    _task: asyncio.Task[object]
    _timer: asyncio.TimerHandle

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        """Raises RuntimeError outside of a task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is for a task")
        self._task, self._cancelling = task, task.cancelling()
        self._timer = task.get_loop().call_later(max(self._seconds, 0.0), self._end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()
