"""The measured values of a guardrail in its metric's own unit, as people read them: both arms, their counts, the ratio.

Decisions rest on `policies.guardrails` alone. A duration is the quantile of a version's calls over the whole rollout;
all else is what the finding's evidence has shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.rollout.status_view import CountsView
from policies.evidence.evidence import ArmEvidence, Evidence
from policies.evidence.tally import Tally, quantile
from policies.guardrails.grammar import Guardrail
from policies.guardrails.guardrails import Finding
from policies.guardrails.metrics import Mean, SlowCalls
from policies.guardrails.observed import observed
from policies.guardrails.thresholds import SCALE

_NANO = 1e9


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground that findings are measured on: the evidence, the frozen thresholds, both arms' sums of the rollout."""

    evidence: Evidence
    frozen: Mapping[str, float]
    stable: Tally
    canary: Tally


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of both arms, in the metric's unit; `ratio` is the canary's to stable's, None where stable's is 0."""

    stable: float | None
    canary: float | None
    ratio: float | None
    is_beyond: bool
    stable_counts: CountsView | None
    canary_counts: CountsView | None


def measure(finding: Finding, ground: Ground) -> Measured:
    """Return what was measured for the guardrail of that finding."""
    guardrail = finding.guardrail
    stable = _value(guardrail, ground, ground.stable, finding.stable)
    canary = _value(guardrail, ground, ground.canary, finding.canary)
    return Measured(
        stable,
        canary,
        canary / stable if canary is not None and stable else None,
        _is_beyond(guardrail, stable, canary),
        _counts(guardrail, ground.evidence.stable),
        _counts(guardrail, ground.evidence.canary),
    )


def _value(guardrail: Guardrail, ground: Ground, tally: Tally, seen: float | None) -> float | None:
    reading = guardrail.metric.reading
    if isinstance(reading, SlowCalls):
        return quantile(getattr(tally, reading.measure), reading.quantile)
    if seen is None or not isinstance(reading, Mean):
        return seen
    cap = ground.frozen.get(guardrail.metric.name)
    return None if cap is None else seen * cap / SCALE / (_NANO if reading.amount == "cost" else 1.0)


def _is_beyond(guardrail: Guardrail, stable: float | None, canary: float | None) -> bool:
    if canary is None:
        return False
    if not guardrail.relative:
        return canary > guardrail.limit
    return stable is not None and canary > guardrail.limit * stable


def _counts(guardrail: Guardrail, arm: ArmEvidence) -> CountsView | None:
    seen = observed(guardrail, arm)
    return CountsView(seen.bad, seen.of) if seen.of else None
