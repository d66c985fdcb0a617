"""The folder of the embedded store: for our user alone, one gateway at a time, stamped with the server that wrote it.

The stamp keeps a server away from data that it cannot read, or would not see, and tells an empty start from a loss.
"""

import fcntl
import hashlib
import json
import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.store.files import write_whole
from gateway.store.server_binary import EmbeddedRedisFailed, Release

SOCKET_PATH_BYTES = 100  # the kernel takes 107 on Linux, 103 on macOS
STAMP = "server.json"
SINGLE_FILE = "appendonly.aof"  # where servers before Redis 7 keep everything
MULTI_PART = "appendonlydir"  # where later ones do
_FAMILY = re.compile(r"[a-z]{1,20}")  # both are printed at a terminal
_VERSION = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){0,3}")
_TO_BEGIN_ANEW = "To begin anew without it, stop the gateway and delete"


@dataclass(frozen=True, slots=True)
class Stamp:
    """The server that wrote the folder last, and whether there was data then."""

    family: str
    version: str
    holds_data: bool

    @property
    def release(self) -> Release:
        return Release(self.family, self.version)


def make_private(folder: Path) -> None:
    """Create the folder for our user alone. Raises EmbeddedRedisFailed when it is, or could be, somebody else's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise EmbeddedRedisFailed(f"the data folder {folder} belongs to another user; name one of your own")
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedRedisFailed(f"the data folder {folder} cannot be used: {error}") from error


def open_to_others(folder: Path) -> Path | None:
    """The folder or its parent, if every user may delete or replace what is in there; None where nobody else can."""
    for place in (folder, folder.parent):
        with suppress(OSError):
            mode = place.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return place
    return None


def lock(folder: Path) -> int:
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


def is_locked_by(folder: Path, descriptor: int) -> bool:
    """Return whether the folder is the one whose lock we hold: not deleted or replaced since."""
    try:
        return os.path.samestat(os.fstat(descriptor), (folder / "lock").stat())
    except OSError:
        return False


def holds_data(folder: Path) -> bool:
    """Return whether there is a file that a server could load."""
    return _has_content(folder / SINGLE_FILE) or bool(_parts(folder / MULTI_PART))


def socket_path(folder: Path) -> Path:
    """Return the socket's path in the data folder; if that is too long, in a private temporary folder."""
    name = f"serinus-{os.getuid()}-{hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()}"
    system = Path("/tmp") / name  # noqa: S108 - made private, and refused when it is somebody else's
    paths = [place / "redis.sock" for place in (folder, Path(tempfile.gettempdir()) / name, system)]
    return next((path for path in paths if len(os.fsencode(path)) <= SOCKET_PATH_BYTES), paths[-1])


def read_stamp(folder: Path) -> Stamp | None:
    """The folder's stamp, None where it has none. Raises EmbeddedRedisFailed when it cannot be read."""
    path = folder / STAMP
    try:
        found = json.loads(path.read_bytes())
        stamp = Stamp(str(found["family"]), str(found["version"]), bool(found["holds_data"]))
        if not (_FAMILY.fullmatch(stamp.family) and _VERSION.fullmatch(stamp.version)):
            raise ValueError("it names no server and version")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise EmbeddedRedisFailed(
            f"{path} cannot be read ({error!r}); it says which server wrote the data beside it. Restore the file, or "
            "delete it if the data is that of the server that starts now"
        ) from error
    return stamp


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Write the stamp. Raises OSError."""
    write_whole(folder / STAMP, json.dumps(asdict(stamp)).encode() + b"\n")


def check_readable(folder: Path, server: Release, stamp: Stamp | None) -> None:
    """Raise EmbeddedRedisFailed where this server could not read the folder's data, or would start empty beside it."""
    single, multi = _has_content(folder / SINGLE_FILE), _parts(folder / MULTI_PART)
    if stamp and not server.reads(stamp.release):
        raise EmbeddedRedisFailed(
            f"the data in {folder} was written by {stamp.release}, which {server} cannot read; start the gateway with "
            f"{stamp.release} or later (without store_binary it runs its own server), or name another folder as `data`"
        )
    if single and multi:
        raise EmbeddedRedisFailed(_two_histories(folder))
    if multi and not server.is_multi_part:
        raise EmbeddedRedisFailed(
            f"the data in {folder / MULTI_PART} was written by Redis 7 or later; {server} would not see it and start "
            "empty. Remove store_binary to run the bundled server, or name another folder as `data`"
        )
    if stamp and stamp.holds_data and not single and not multi:
        raise EmbeddedRedisFailed(_lost(folder))


def check_loaded(folder: Path, stamp: Stamp | None, keys: int) -> None:
    """Raise EmbeddedRedisFailed where the server came up empty over a folder that held data."""
    if stamp and stamp.holds_data and keys == 0:
        raise EmbeddedRedisFailed(_lost(folder))


def bar_older_servers(folder: Path) -> None:
    """Put a folder where a server before Redis 7 would begin an empty file: it then refuses to start."""
    place = folder / SINGLE_FILE
    if not place.exists():
        place.mkdir(mode=0o700)


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _parts(folder: Path) -> list[Path]:
    """The files with data. A conversion that was cut short leaves the manifest alone; the server completes it."""
    return [path for path in folder.glob("*.*") if path.suffix in (".aof", ".rdb")]


def _lost(folder: Path) -> str:
    return (
        f"the data in {folder} is gone: a server wrote there before, and no data is left. Put "
        f"{MULTI_PART} back from a backup. {_TO_BEGIN_ANEW} {folder / STAMP}; rollouts are then put back as this "
        "installation last saw them"
    )


def _two_histories(folder: Path) -> str:
    single, parts = folder / SINGLE_FILE, _parts(folder / MULTI_PART)
    return (
        f"{folder} holds the data of two servers: {SINGLE_FILE} (last written {_written([single])}) and {MULTI_PART} "
        f"(last written {_written(parts)}). Keep the correct one, and move the other out of the folder"
    )


def damaged(folder: Path) -> str:
    """Return what a person can do about data that the server does not read."""
    return (
        f"the data in {folder / MULTI_PART} is damaged; redis.log beside it says where. Put {MULTI_PART} back from a "
        f"backup. To begin anew without it, move {MULTI_PART} and {STAMP} out of {folder}; rollouts are then put back "
        "as this installation last saw them"
    )


def _written(paths: list[Path]) -> str:
    latest = max(path.stat().st_mtime for path in paths)
    return datetime.fromtimestamp(latest, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
