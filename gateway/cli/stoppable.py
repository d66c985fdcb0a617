"""Commands that start children of their own: a signal ends them, too, before it ends the command."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
# SIGINT is the event loop's own: it cancels the task, too, and raises KeyboardInterrupt.
SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def run_stoppable(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or to a signal: what `main` cleans up is cleaned up in each case. Raises Stopped."""
    return asyncio.run(_run(main))


async def _run(main: Coroutine[Any, Any, T]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)
    seen: list[int] = []

    def stop(number: int) -> None:
        seen.append(number)
        task.cancel()

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if seen:
            raise Stopped(seen[0]) from None
        raise
