"""Processor time of the event loop's thread: how much of what it may have it has used lately."""

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

_SPAN_SECONDS: Final = 0.5
_OWN_CGROUP: Final = Path("/sys/fs/cgroup")  # as a container sees its own


class ProcessorGauge:
    """Share of one processor, or of the part of one that a container may use, that the loop's thread has used lately.

    A loop is late for two reasons: it has too much to do, or others have the processor. To shed calls helps against the
    first alone. `cpu` tells the seconds that the thread has had, `quota` how many processors it may have.
    """

    def __init__(self, cpu: Callable[[], float] = time.thread_time, quota: float | None = None) -> None:
        self._cpu = cpu
        self._most = min(1.0, cpu_quota() if quota is None else quota)
        self._samples: deque[tuple[float, float]] = deque()

    def share(self, now: float) -> float:
        """Take a sample at that time, in monotonic seconds, and return the share of the last half second, 0…1."""
        cpu = self._cpu()
        self._samples.append((now, cpu))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _SPAN_SECONDS:
            self._samples.popleft()
        began, before = self._samples[0]
        return min(1.0, (cpu - before) / ((now - began) * self._most)) if now > began else 0.0


def cpu_quota(folder: Path = _OWN_CGROUP) -> float:
    """Return how many processors the container may use, of either version of control groups; all without a limit."""
    try:
        if (version_2 := folder / "cpu.max").exists():
            quota, period = version_2.read_text().split()
        else:
            quota, period = ((folder / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        found = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # not there, or "max"
        found = 0.0
    return found if found > 0 else float(os.cpu_count() or 1)
