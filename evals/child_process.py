"""Child processes that run what a suite brings: ended with all that they have started."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Final

_CLOSING_SECONDS: Final = 1.0


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process that leads a session of its own, and the others of its group.

    What it has written is read to its end: asyncio waits for that before it takes notice of the death. Whoever has left
    the group may keep the pipe open, and is not waited for.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError, ConnectionError):
        await asyncio.wait_for(process.communicate(), _CLOSING_SECONDS)
