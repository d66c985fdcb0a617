"""Child processes that run what a suite brings: ended with all that they have started."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

_CLOSING_SECONDS: Final = 1.0


async def end(process: asyncio.subprocess.Process, marked: str = "") -> None:
    """Kill a process that leads a session of its own, the others of its group, and all that have `marked` in their
    environment (`NAME=value`), which a session of their own does not hide.

    What it has written is read to its end: asyncio waits for that before it takes notice of the death. Whoever has left
    the group may keep the pipe open, and is not waited for.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if marked:
        await asyncio.to_thread(_kill_marked, marked.encode())
    with suppress(TimeoutError, ConnectionError):
        await asyncio.wait_for(process.communicate(), _CLOSING_SECONDS)


def _kill_marked(variable: bytes) -> None:
    """Kill our user's processes that were started with that variable; where there is no /proc, none is found."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable in environ.read_bytes().split(b"\0"):
                os.kill(int(environ.parent.name), signal.SIGKILL)
