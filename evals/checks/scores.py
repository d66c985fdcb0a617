"""The score of a check, and of a case from those of its checks: summed and held against thresholds as promptfoo does.

A case's score is the weighted mean of its checks'. With a threshold the score alone decides; without one each check
must pass. A check of weight 0 always passes and counts for nothing but its metric.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evals.cases import CheckSpec


@dataclass(frozen=True, slots=True)
class NamedScore:
    """A check's score in that of its case. `name` is its metric, else its type as it was written.

    `parts` are the checks of an `assert-set`.
    """

    name: str
    value: float
    passed: bool
    reason: str
    weight: float = 1.0
    undecided: bool = False
    metric: str | None = None
    parts: tuple["NamedScore", ...] = ()


@dataclass(frozen=True, slots=True)
class MetricScore:
    """The weighted mean of all checks of one metric, and the sum of their weights."""

    name: str
    value: float
    weight: float


@dataclass(frozen=True, slots=True)
class CaseScore:
    """The score of a check or of a case: `value` is mostly 0…1, `reason` one sentence.

    `undecided` says that nothing could tell; `passed` is then False.
    """

    passed: bool
    value: float
    reason: str
    undecided: bool = False
    named: tuple[NamedScore, ...] = ()
    metrics: tuple[MetricScore, ...] = ()


def decided(spec: CheckSpec, holds: bool, reason: str) -> CaseScore:
    """Return the score of a check that holds or does not: 1 or 0. `reason` says what was seen."""
    passed = holds != spec.negated
    return CaseScore(passed, float(passed), reason)


def graded(spec: CheckSpec, value: float, threshold: float, name: str) -> CaseScore:
    """Return the score of a check that measures in 0…1. With `not-` the value is what it lacks to 1."""
    passed = (value >= (threshold if spec.threshold is None else spec.threshold)) != spec.negated
    return CaseScore(passed, 1 - value if spec.negated else value, f"{name} is {value:.3f}")


def not_decided(reason: str) -> CaseScore:
    """Return the score of a check that nothing could decide."""
    return CaseScore(False, 0.0, reason, undecided=True)


def summed(checks: Sequence[tuple[CheckSpec, CaseScore]], threshold: float | None) -> CaseScore:
    """Return the score of a case, or of an `assert-set`, from its checks' scores."""
    if not checks:
        return CaseScore(True, 1.0, "no checks")
    ordered = sorted(checks, key=lambda check: bool(check[0].children))  # sets are added last
    least, most = (_mean(ordered, undecided) for undecided in (0.0, 1.0))
    failing = [score for _, score in checks if not score.passed and not score.undecided]
    is_open = any(score.undecided for _, score in checks)
    named = tuple(_named(spec, score) for spec, score in checks)
    metrics = _metrics(ordered)
    if threshold is not None and not math.isnan(threshold):
        undecided = is_open and least < threshold <= most
        passed = least >= threshold
        reason = f"score {least:.2f} {'≥' if passed else '<'} {threshold:g}"
        return CaseScore(passed, least, _first_open(checks) if undecided else reason, undecided, named, metrics)
    if failing:
        return CaseScore(False, least, failing[-1].reason, False, named, metrics)
    return CaseScore(not is_open, least, _first_open(checks) or "all checks passed", is_open, named, metrics)


def weightless(spec: CheckSpec, score: CaseScore) -> CaseScore:
    """Return the score of a check, which passes whatever it found when its weight is 0."""
    if spec.weight != 0 or spec.children:
        return score
    return replace(score, passed=True, undecided=False)


def _mean(checks: Sequence[tuple[CheckSpec, CaseScore]], undecided: float) -> float:
    total = weights = 0.0
    for spec, score in checks:
        total += (undecided if score.undecided else score.value) * spec.weight
        weights += spec.weight
    return total / weights if weights > 0 else 0.0


def _first_open(checks: Iterable[tuple[CheckSpec, CaseScore]]) -> str:
    return next((score.reason for _, score in checks if score.undecided), "")


def _named(spec: CheckSpec, score: CaseScore) -> NamedScore:
    written = f"not-{spec.type}" if spec.negated else spec.type
    return NamedScore(
        name=spec.metric or written,
        value=score.value,
        passed=score.passed,
        reason=score.reason,
        weight=spec.weight,
        undecided=score.undecided,
        metric=spec.metric,
        parts=score.named,
    )


def _metrics(checks: Sequence[tuple[CheckSpec, CaseScore]]) -> tuple[MetricScore, ...]:
    """Return the metrics of the checks, and those that their own scores name."""
    totals: dict[str, tuple[float, float]] = {}
    for spec, score in checks:
        inner = [(one.name, one.value, one.weight * spec.weight) for one in score.metrics if one.name != spec.metric]
        own = [(spec.metric, score.value, spec.weight)] if spec.metric else []
        for name, value, weight in (*own, *inner):
            total, weights = totals.get(name, (0.0, 0.0))
            totals[name] = total + value * weight, weights + weight
    return tuple(
        MetricScore(name, total / weights if weights > 0 else 0.0, weights) for name, (total, weights) in totals.items()
    )
