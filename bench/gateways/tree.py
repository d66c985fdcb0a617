"""A gateway's processes: started on one core, and asked for the CPU time and the memory of their tree (Linux)."""

import gc
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
STORE = "valkey-server"  # the embedded store's process, which is counted apart
_KB = 1024
# Containers often set these for their shell. Where no bytecode may be kept, every start of a checkout of ours compiles
# all of it.
_NOT_HANDED_ON = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process tree: CPU seconds since it began, memory in MB; `store_*` is the embedded store's part."""

    cpu: float
    store_cpu: float
    memory: float
    store_memory: float


def cores() -> tuple[int, int]:
    """The core of the gateway, and the core of its load and upstream; the same one where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def stay(core: int) -> None:
    """Keep this process on that core, with its garbage collector off: it makes nothing that needs one."""
    os.sched_setaffinity(0, {core})
    gc.disable()


def start(
    command: Sequence[str],
    folder: Path,
    core: int,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process on that core, in a group of its own; what it says goes to `output` in the folder.

    It gets our environment and `environment`, but for what the shell says of how its own Python runs.
    """
    handed_on = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # inherited by what is started
    try:
        with open(folder / "output", "ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**handed_on, **(environment or {})}, cwd=cwd or folder, start_new_session=True,
            )  # fmt: skip
    finally:
        os.sched_setaffinity(0, mine)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it: gently, then with its whole group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def usage(root: int) -> Usage:
    """What the tree under that process has used so far."""
    ours: list[int] = []
    store: list[int] = []
    for process in family(root):
        (store if _name(process) == STORE else ours).append(process)
    return Usage(_cpu(ours), _cpu(store), _memory(ours), _memory(store))


def family(root: int) -> list[int]:
    """The process and all that descend from it."""
    found, look = [], [root]
    while look:
        process = look.pop()
        found.append(process)
        for path in _PROC.glob(f"{process}/task/*/children"):
            with suppress(OSError):
                look += [int(child) for child in path.read_text().split()]
    return found


def _name(process: int) -> str:
    try:
        return (_PROC / str(process) / "comm").read_text().strip()
    except OSError:
        return ""


def _cpu(processes: list[int]) -> float:
    """Seconds on a core, by the scheduler's own account (nanoseconds), over all threads that still live."""
    total = 0
    for process in processes:
        for path in _PROC.glob(f"{process}/task/*/schedstat"):
            with suppress(OSError):
                total += int(path.read_text().split()[0])
    return total / 1e9


def _memory(processes: list[int]) -> float:
    total = 0
    for process in processes:
        with suppress(OSError):
            lines = (_PROC / str(process) / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total / _KB
