"""Sampling: which calls become spans. Decided by the trace's id, so that every service decides alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.calls import Outcome
from gateway.telemetry.trace_context import RemoteParent

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


def reason_for(outcome: Outcome, always: tuple[str, ...]) -> str:
    """Return the first of these reasons that a call meets, '' for none."""
    for reason in always:
        if REASONS[reason](outcome):
            return reason
    return ""
