"""The ending of a command that is told to stop while it starts."""

import asyncio
import os
import signal
from contextlib import suppress

from gateway.replica.early_signals import Ending


async def test_a_start_that_survives_its_signal_is_stopped_all_the_same() -> None:
    """What waits inside of a start may swallow the cancellation; the signal is not lost with it."""
    stopped: list[str] = []

    async def start() -> None:
        ending = Ending()
        os.kill(os.getpid(), signal.SIGTERM)
        with suppress(asyncio.CancelledError):  # as a library may
            await asyncio.sleep(10)
        ending.by(lambda: stopped.append("stopped"))

    loop = asyncio.get_running_loop()
    try:
        await asyncio.create_task(start())
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    assert stopped == ["stopped"]
