"""A private Redis server as a child process: the store of a gateway that was given none.

It listens on a unix socket alone, in a folder that only our user may enter, and keeps an append-only file there. It is
started again when it dies, and it does not outlive the gateway: on Linux the kernel ends it with us, and whatever was
left over nonetheless is ended before the next start. `server_binary` knows the program, `data_folder` the data.
"""

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import BinaryIO
from urllib.parse import quote

from gateway.child_environment import environment
from gateway.store import data_folder
from gateway.store.data_folder import Stamp
from gateway.store.leftover import POLL_SECONDS, ask, end_leftover
from gateway.store.server_binary import EmbeddedRedisFailed, Release, bundled_binary, command, identify
from gateway.timings import USUAL, Timings

Log = Callable[[str, Mapping[str, object]], None]

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
LONG_LIFE_SECONDS = 10.0  # a server that lived so long is started again without a longer pause
LOG_TAIL_BYTES = 2000
WRITTEN_MILLISECONDS = 1500  # for the first key to reach the disk, so that a stamp never speaks of data not yet there
FIRST_KEY = "serinus:embedded"
DAMAGED = "Bad file format reading the append only file"
LOOK_SECONDS = 2.0  # after so long it is noticed that somebody has deleted the data
FOLDER_DELETED = (
    "the data folder of the embedded store was deleted or replaced while it ran; the server starts again in a new one, "
    "and rollouts are put back as this gateway last saw them"
)
DATA_DELETED = "the data of the embedded store was deleted while it ran; the server writes it anew"


class EmbeddedRedis:
    """A private server over a data folder that no other gateway uses meanwhile; started once, stopped once.

    The folder holds nothing else: it is created, or closed to everybody but our user. `binary` is the server to run
    in place of the bundled one. `log` is called with a sentence and its fields whenever the server died or was started
    again, and when data of another server was taken over.
    """

    def __init__(self, folder: Path, log: Log, binary: Path | None = None, timings: Timings = USUAL) -> None:
        self._folder = folder.resolve()
        self._log = log
        self._binary = binary
        self._timings = timings
        self._stopping = asyncio.Event()
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._complaint = ""

    @property
    def pid(self) -> int | None:
        """The server's process id, None before the start."""
        return self._process.pid if self._process else None

    @property
    def socket(self) -> Path:
        return data_folder.socket_path(self._folder)

    async def start(self) -> str:
        """Start the server and wait until it has loaded its data; the URL to connect to.

        Raises EmbeddedRedisFailed when there is no binary, when the folder is in use, when its data is not for this
        server or is gone, or when the server gives up.
        """
        self._binary = self._binary or bundled_binary()
        release = await identify(self._binary, self._timings.server_version)
        data_folder.make_private(self._folder)
        data_folder.make_private(self.socket.parent)
        self._lock = data_folder.lock(self._folder)
        try:
            stamp = data_folder.read_stamp(self._folder)
            data_folder.check_readable(self._folder, release, stamp)
            await end_leftover(self.socket, self._timings.server_end)
            self._process = await self._spawn()
            await self._ready(self._process)
            await self._stamp(stamp, release)
        except BaseException:
            await self._release()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded-redis")
        self._watcher = asyncio.create_task(self._watch(release), name="embedded-redis-data")
        return f"unix://{quote(str(self.socket))}"

    async def stop(self) -> None:
        """End the server, with everything written, and leave the folder to others."""
        self._stopping.set()
        await self._release()

    async def _release(self) -> None:
        if self._watcher:
            await self._watcher
        if self._process:
            await _end(self._process, self._timings.server_end)
        if self._supervisor:
            await self._supervisor
        if self._lock is not None:
            if self.socket.parent != self._folder:
                shutil.rmtree(self.socket.parent, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    async def _stamp(self, stamp: Stamp | None, release: Release) -> None:
        """Compare what was loaded with the folder's stamp, and stamp it with the server that runs now.

        The stamp says that there is data only once some is on the disk.
        """
        keys = int((await ask(self.socket, "DBSIZE")).removeprefix(b":"))
        data_folder.check_loaded(self._folder, stamp, keys)
        if keys and (stamp is None or stamp.release != release):
            before = str(stamp.release) if stamp else "a server before this one"
            self._log("the embedded store takes over data", {"of": before, "server": str(release), "keys": keys})
        await self._mark(release, keys)

    async def _mark(self, release: Release, keys: int) -> None:
        if release.is_multi_part:
            data_folder.bar_older_servers(self._folder)
        if not keys:
            await ask(self.socket, "SET", FIRST_KEY, "1")
            await ask(self.socket, "WAITAOF", "1", "0", str(WRITTEN_MILLISECONDS))  # unknown before Redis 7.2
        data_folder.write_stamp(self._folder, Stamp(release.family, release.version, holds_data=True))

    async def _watch(self, release: Release) -> None:
        """Mend the folder whenever somebody deletes it under the server, until we stop."""
        while not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), LOOK_SECONDS)
            except TimeoutError:
                await self._mend_or_complain(release)

    async def _mend_or_complain(self, release: Release) -> None:
        try:
            await self._mend(release)
            self._complaint = ""
        except (OSError, ValueError, EmbeddedRedisFailed) as error:  # ValueError: the server is loading
            if str(error) != self._complaint and self._process and self._process.returncode is None:
                self._complaint = str(error)
                self._log("the data of the embedded store is not on the disk", {"error": self._complaint})

    async def _mend(self, release: Release) -> None:
        """Put back what was deleted: all of the data from the server's memory, unless its folder itself is gone."""
        folder = self._folder
        if self._lock is None or not data_folder.is_locked_by(folder, self._lock):
            await self._begin_anew()
        elif not data_folder.holds_data(folder):
            await ask(self.socket, "BGREWRITEAOF")
            self._log(DATA_DELETED, {"folder": str(folder)})
        elif not (folder / data_folder.STAMP).exists():
            await self._mark(release, int((await ask(self.socket, "DBSIZE")).removeprefix(b":")))

    async def _begin_anew(self) -> None:
        """Make the folder again and end the server, which is then started there: it cannot change its folder."""
        self._log(FOLDER_DELETED, {"folder": str(self._folder)})
        data_folder.make_private(self._folder)
        data_folder.make_private(self.socket.parent)
        new, old = data_folder.lock(self._folder), self._lock
        self._lock = new
        if old is not None:
            os.close(old)
        if self._process:
            await _end(self._process, self._timings.server_end)

    async def _spawn(self) -> asyncio.subprocess.Process:
        """Start the server in a session of its own, so that Ctrl-C at the terminal ends the gateway first."""
        with _open_log(self._folder) as log:
            return await asyncio.create_subprocess_exec(
                *command(self._binary or bundled_binary(), self._folder, self.socket),
                stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment(),
            )  # fmt: skip

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = monotonic() + self._timings.server_ready
        while not await _answers(self.socket):
            if process.returncode is not None:
                if DAMAGED in _log_tail(self._folder):  # the server's words name a tool that is not here
                    raise EmbeddedRedisFailed(data_folder.damaged(self._folder))
                raise EmbeddedRedisFailed(
                    f"{self._binary} gave up with exit code {process.returncode}: {_log_tail(self._folder)}"
                )
            if monotonic() > deadline:
                seconds = f"{self._timings.server_ready:g} s"
                raise EmbeddedRedisFailed(f"{self._binary} is not ready after {seconds}; see {self._folder}")
            await asyncio.sleep(POLL_SECONDS)

    async def _supervise(self) -> None:
        """Start the server again whenever it ends, until we stop."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = monotonic()
            code = await self._process.wait() if self._process else None
            if self._stopping.is_set():
                return
            pause = FIRST_PAUSE_SECONDS if monotonic() - began > LONG_LIFE_SECONDS else pause
            self._log("the embedded Redis ended; starting it again", {"exit_code": code, "pause_seconds": pause})
            await self._again_after(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _again_after(self, pause: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), pause)
        except TimeoutError:
            await self._start_again()

    async def _start_again(self) -> None:
        try:
            self._process = await self._spawn()
        except OSError as error:
            self._log("the embedded Redis cannot be started", {"error": str(error)})
            return
        if self._stopping.is_set():
            await _end(self._process, self._timings.server_end)


async def _answers(path: Path) -> bool:
    """Return whether the server answers and has loaded its data."""
    try:
        return (await ask(path, "PING")).startswith(b"+PONG")
    except OSError:  # TimeoutError is one
        return False


async def _end(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Let the server write everything and exit; SIGTERM is its own SHUTDOWN, without a connection."""
    for tell in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        tell()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            continue


def _open_log(folder: Path) -> BinaryIO:
    return (folder / "redis.log").open("ab")


def _log_tail(folder: Path) -> str:
    text = (folder / "redis.log").read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
    return " / ".join(text.strip().splitlines()[-3:])
