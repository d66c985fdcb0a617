"""Parts that tracing takes from its replica."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock_offset import unix_offset
from gateway.logs import Log


@dataclass(frozen=True, slots=True)
class TracingParts:
    """Clocks, log and id of a replica. `retry` and `finish` are seconds: before a second try, and for the last one;
    `exchange` and `wait` those of tools (`gateway.telemetry.shared_tools`)."""

    log: Log
    monotonic: Callable[[], float]
    unix: Callable[[], float]
    replica: str
    retry: float
    finish: float
    exchange: float = 0.25
    wait: float = 2.0

    def offset(self) -> float:
        """Return what Unix time is ahead of the monotonic clock."""
        return unix_offset(self.unix, self.monotonic)
