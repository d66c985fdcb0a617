"""Memory and file descriptors of this process: how much of what it may have is used."""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CGROUPS: Final = Path("/sys/fs/cgroup")
_UNLIMITED: Final = 1 << 60  # version 1 writes "no limit" as the largest multiple of a page
_PAGE: Final = resource.getpagesize()
_OWN_FILES: Final = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A control group with a memory limit, in bytes; `used` and `stat` are its files."""

    limit: int
    used: Path
    stat: Path
    reclaimable: bytes  # the member of `stat` that the kernel takes back before it kills anything

    def ratio(self) -> float:
        """Return the used part of the limit, without cached files. Raises OSError, ValueError."""
        used = int(self.used.read_bytes())
        for line in self.stat.read_bytes().splitlines():
            if line.startswith(self.reclaimable):
                used -= int(line.split()[1])
                break
        return max(0, used) / self.limit


class MemoryGauge:
    """Used memory as a part of its limits: those of the control groups, and of this process where it has one."""

    def __init__(self, limit: int | None = None, root: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")):
        self._limit = limit
        self._cgroups = tuple(_cgroups(root, membership))

    def ratio(self) -> float:
        """Return the largest used part of any limit; 0 where there is none, or it cannot be read."""
        ratios = [0.0] if self._limit is None else [resident_bytes() / self._limit]
        for cgroup in self._cgroups:
            try:
                ratios.append(cgroup.ratio())
            except (OSError, ValueError):  # moved or gone
                continue
        return max(ratios, default=0.0)


def resident_bytes() -> int:
    """Return the memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def files_left() -> int:
    """Return how many more files this process may open; many where the system does not tell."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        used = os.stat(_OWN_FILES).st_size or len(os.listdir(_OWN_FILES))  # Linux before 6.2 has no size here
    except OSError:
        used = 0
    return (1 << 20 if limit == resource.RLIM_INFINITY else limit) - used


def _cgroups(root: Path, membership: Path) -> Iterator[Cgroup]:
    """Yield the control groups with a limit that this process is in, of either version."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from _limited(root, path, "memory.max", "memory.current", b"inactive_file ")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", b"total_inactive_file ")
            yield from _limited(root / "memory", path, *names)


def _limited(root: Path, path: str, limit: str, used: str, reclaimable: bytes) -> Iterator[Cgroup]:
    """Yield the group at the path and those above it. In a container the path may be the host's, and not there."""
    at = root / path.strip("/")
    for folder in dict.fromkeys((at, *at.parents, root)):
        if folder != root and root not in folder.parents:
            continue
        try:
            most = int((folder / limit).read_text())
        except (OSError, ValueError):  # no such group, or "max"
            continue
        if 0 < most < _UNLIMITED:
            yield Cgroup(most, folder / used, folder / "memory.stat", reclaimable)
