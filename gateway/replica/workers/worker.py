"""A worker as its parent sees it: a fresh interpreter at a post, from its start to its end."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from gateway.replica.workers.inheritance import READY, RETIRE, Post

# The worker imports from where the parent did, installed or not, and never from the current folder by chance (-P).
_LAUNCHER = """
import sys, json
sys.path[:] = json.loads(sys.argv[1])
from gateway.replica.early_signals import end_at_once
end_at_once()
from pathlib import Path
from os import environ
from gateway.replica.serve import serve_at
sys.exit(serve_at(Path(sys.argv[2]), environ, sys.argv[3]))
"""


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """Common plan of a fleet's workers: files, environment, and inheritance.

    `embedded` is the URL of the parent's private Redis.
    """

    folder: Path
    environ: Mapping[str, str]
    listener: socket.socket
    counts: int
    cells: int
    embedded: str | None


@dataclass(slots=True, eq=False)
class Worker:
    """A worker process. `is_kept`: the fleet wants it, and replaces it when it ends.

    `is_ending`: it drains, or was asked to. `replica` is its id once it is ready, "" before. `reports` is the line on
    which it says what it has counted.
    """

    process: Process
    cell: int
    reports: socket.socket
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    is_kept: bool = True
    is_ending: bool = False
    replica: str = ""
    began: float = field(default_factory=monotonic)
    _heard: asyncio.Task[None] | None = None

    async def ready(self, within: float) -> bool:
        """Return whether the worker takes calls within so many seconds; False as soon as it ends."""
        if self._heard is None:
            self._heard = asyncio.create_task(self._hear())
        await asyncio.wait([self._heard], timeout=within)
        return self.replica != ""

    async def _hear(self) -> None:
        with suppress(ConnectionResetError):
            word, _, replica = (await self._reader.readline()).partition(b" ")
            if word == READY:
                self.replica = replica.strip().decode()

    async def end(self, within: float) -> None:
        """Wait until it has ended; after so many seconds it is killed."""
        try:
            async with asyncio.timeout(within):
                await self.process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.process.wait()

    def retire(self) -> None:
        """Ask it to drain while the port as a whole stays ready."""
        self.is_ending = True
        self._writer.write(RETIRE)

    def signal(self, number: signal.Signals) -> None:
        """SIGTERM makes it drain, a second one cuts what is open."""
        self.is_ending = True
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def close(self) -> None:
        self._writer.close()


async def start(plan: WorkerPlan, cell: int) -> Worker:
    """Start a process with that cell of the connection counts. Raises OSError."""
    ours, theirs = socket.socketpair()
    our_reports, their_reports = socket.socketpair()
    with theirs, their_reports:
        post = Post(
            plan.listener.fileno(), plan.counts, plan.cells, cell, theirs.fileno(), plan.embedded,
            their_reports.fileno(),
        )  # fmt: skip
        try:
            process = await _spawn(plan, post, their_reports.fileno())
        except BaseException:
            ours.close()
            our_reports.close()
            raise
    return Worker(process, cell, our_reports, *await asyncio.open_connection(sock=ours))


async def _spawn(plan: WorkerPlan, post: Post, reports: int) -> Process:
    """Start the worker in a session of its own, so that Ctrl-C at the terminal reaches only the parent."""
    arguments = [json.dumps(sys.path), os.fspath(plan.folder), post.written()]
    return await create_subprocess_exec(
        sys.executable, "-P", "-c", _LAUNCHER, *arguments,
        stdin=DEVNULL, env=plan.environ, start_new_session=True,
        pass_fds=(post.listener, post.counts, post.line, reports),
    )  # fmt: skip
