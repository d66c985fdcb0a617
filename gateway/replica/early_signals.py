"""Handling of SIGTERM and SIGINT while a command is still starting. Imports nothing that takes time.

As process 1 of a container a signal without a handler is discarded. So a handler must be there before anything that
takes time: imports, the store, the first look at the records.
"""

import os
import signal
from collections.abc import Callable

ENDING = (signal.SIGTERM, signal.SIGINT)


def end_at_once(code: int = 0) -> None:
    """End the process with this exit code at the next signal: nothing has started that would need a clean end.

    SIGHUP, by which files are read again, is too early and does nothing.
    """
    for number in ENDING:
        signal.signal(number, lambda *_: os._exit(code))
    signal.signal(signal.SIGHUP, lambda *_: None)


class Ending:
    """The ending of the task that runs in this loop: broken off while it starts, told to `stop` once it can.

    The signals are heeded from the construction on; construct it before the task's first await.
    """

    def __init__(self) -> None:
        import asyncio  # some 0.05 s, in which the signals of a new process would be lost

        self._starting: asyncio.Task[object] | None = asyncio.current_task()
        self._stop: Callable[[], object] | None = None
        self._is_asked = False
        for number in ENDING:
            asyncio.get_running_loop().add_signal_handler(number, self._end)

    def by(self, stop: Callable[[], object]) -> None:
        """The start is over: every signal calls `stop` from now on, and at once where one came before."""
        self._starting, self._stop = None, stop
        if self._is_asked:
            stop()

    def _end(self) -> None:
        """Break off the start once only: a second signal must not disturb the cleaning up."""
        self._is_asked = True
        if self._stop is not None:
            self._stop()
        elif self._starting is not None:
            starting, self._starting = self._starting, None
            starting.cancel()
