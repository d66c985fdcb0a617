"""Offset between the clock of durations and the clock of the day."""

from collections.abc import Callable

_READINGS = 3


def unix_offset(unix: Callable[[], float], monotonic: Callable[[], float]) -> float:
    """Return what Unix time is ahead of the monotonic clock, in seconds.

    Of three readings the quickest counts: a process that was interrupted between the two clocks reads them milliseconds
    apart.
    """
    readings = []
    for _ in range(_READINGS):
        before = monotonic()
        now = unix()
        after = monotonic()
        readings.append((after - before, now - (before + after) / 2))
    return min(readings)[1]
