"""Sampling: which calls become spans. Decided by the trace's id, so that every service decides alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.calls import Outcome
from gateway.telemetry.trace_context import RemoteParent
from gateway.traces.record import CallRecord

_BOUND = 1 << 64
_OFF = 0


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampler of the standard's: a share of the traces, or what the client's span says where there is one."""

    ratio: float = 1.0
    is_parent_based: bool = True

    def is_sampled(self, trace_id: str, parent: RemoteParent | None) -> bool:
        """Return whether the calls of a trace become spans."""
        if parent is not None and self.is_parent_based:
            return parent.is_sampled
        if self.ratio >= 1.0:
            return True
        return self.ratio > _OFF and int(trace_id[16:], 16) < self.ratio * _BOUND

    @property
    def is_off(self) -> bool:
        """Return whether nothing is sampled, whatever a client says."""
        return self.ratio <= _OFF and not self.is_parent_based


# Why a call becomes spans though no sampler chose it, by the word that the option has for it.
REASONS: Final[Mapping[str, Callable[[Outcome], bool]]] = {
    "failed": lambda outcome: outcome.failed or outcome.end in ("failed", "broken"),
    "fallback": lambda outcome: len(outcome.attempts) > 1 and outcome.fell_back,
    "escalated": lambda outcome: outcome.end == "escalated",
    "canary": lambda outcome: outcome.arm == "canary",
}


_OF_RECORDS: Final[Mapping[str, Callable[[CallRecord], bool]]] = {
    "failed": lambda record: record.end in ("failed", "broken") or _has_failed(record),
    "fallback": lambda record: any(attempt.is_fallback for attempt in record.attempts),
    "escalated": lambda record: record.end == "escalated",
    "canary": lambda record: record.arm == "canary",
}


def _has_failed(record: CallRecord) -> bool:
    return bool(record.attempts) and record.attempts[0].failure not in (None, "overtaken")


def is_exported(record: CallRecord, always: tuple[str, ...]) -> bool:
    """Return whether a call meets one of these reasons, as far as its record tells."""
    return any(_OF_RECORDS[reason](record) for reason in always)


def reason_for(outcome: Outcome, always: tuple[str, ...]) -> str:
    """Return the first of these reasons that a call meets, '' for none."""
    for reason in always:
        if REASONS[reason](outcome):
            return reason
    return ""
