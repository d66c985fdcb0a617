"""Guardrails: the closed grammar in which they are written, and what one says about the evidence.

    metric <= stable * 1.25     a ratio: the canary may be at most 1.25 times as bad as stable
    metric <= 20%               an absolute guard, for when no control is left

Every metric is a badness, so there is one direction only. A breach that is proven rolls back.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from policies.sequential import absolute_e_value, floor_e_value, ratio_e_value

Verdict = Literal["fail", "inconclusive"]

ALPHA = 0.01  # the probability that an identical canary is ever rolled back, over the whole rollout
THRESHOLD = 1 / ALPHA
ABSOLUTE_THRESHOLD = 1e4  # the absolute guard may have no control to lean on, so it wants stronger proof
ERROR_FLOOR = 0.005  # a canary below 0.5 % of errors is never rolled back for a ratio alone
MIN_FAILING_UNITS = 3  # one bad conversation, however long, proves nothing
MAX_STABLE_FAILING = 20_000  # the store counts no more failing units: from here on only the canary's would grow
MAX_LIMIT = 0.99  # an absolute limit nearer to 100 % leaves no room for a bet
CONTROL_LOST_SECONDS = 300.0  # stable is unseen for so long: no control is left

METRICS = ("error_rate",)
DEFAULT_GUARDRAILS = ("error_rate <= stable * 1.25", "error_rate <= 20%")

_GRAMMAR = re.compile(
    r"(?P<metric>[a-z_0-9]+)\s*<=\s*(?:(?P<stable>stable)\s*\*\s*)?(?P<number>\d+(?:\.\d+)?)(?P<unit>%?)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One parsed guardrail. `limit` is a ratio to stable's rate when `relative`, a rate in 0…1 otherwise."""

    text: str
    metric: str
    relative: bool
    limit: float

    @property
    def threshold(self) -> float:
        """The e-value at which a breach is proven."""
        return THRESHOLD if self.relative else ABSOLUTE_THRESHOLD


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one step knows about its two arms, as the integers that a decision is made from.

    `failing` counts distinct failing units, `requests` and `errors` calls; only calls assigned by the split are in it.
    `weight` is the canary's share in 0…1. `control_unseen_seconds` is the time since stable served a call.
    """

    weight: float
    canary_requests: int = 0
    canary_errors: int = 0
    canary_failing: int = 0
    stable_requests: int = 0
    stable_errors: int = 0
    stable_failing: int = 0
    control_unseen_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One guardrail's evidence. `stable` and `canary` are the observed rates, None before the first call."""

    guardrail: Guardrail
    verdict: Verdict
    e_value: float
    stable: float | None
    canary: float | None


def parse(text: str) -> Guardrail:
    """Read one guardrail. Raises ValueError with the way out."""
    match = _GRAMMAR.fullmatch(text.strip())
    if match is None:
        examples = " or ".join(repr(example) for example in DEFAULT_GUARDRAILS)
        raise ValueError(f"cannot read guardrail {text!r}; write {examples}")
    if match["metric"] not in METRICS:
        raise ValueError(f"unknown metric {match['metric']!r} in {text!r}; known: {', '.join(METRICS)}")
    number = float(match["number"]) / (100 if match["unit"] else 1)
    _check_limit(text, number, relative=match["stable"] is not None)
    return Guardrail(text.strip(), match["metric"], match["stable"] is not None, number)


def assess(guardrails: Iterable[Guardrail], evidence: Evidence) -> tuple[Finding, ...]:
    """What each guardrail says about the evidence, in the order given."""
    return tuple(_assess_one(guardrail, evidence) for guardrail in guardrails)


def worst(findings: Sequence[Finding]) -> Finding | None:
    """The finding that is nearest to, or furthest beyond, its threshold; None without findings."""
    return max(findings, key=lambda finding: finding.e_value / finding.guardrail.threshold, default=None)


def _check_limit(text: str, limit: float, *, relative: bool) -> None:
    if relative and not 1.0 <= limit <= 100.0:
        raise ValueError(f"the factor in {text!r} must be between 1 and 100, such as 1.25")
    if not relative and not 0.0 < limit <= MAX_LIMIT:
        raise ValueError(f"the limit in {text!r} must be above 0% and at most 99%, such as 20%")


def _assess_one(guardrail: Guardrail, evidence: Evidence) -> Finding:
    e_value = _relative(guardrail, evidence) if guardrail.relative else _absolute(guardrail, evidence)
    return Finding(
        guardrail,
        _verdict(guardrail, e_value, evidence),
        e_value,
        _rate(evidence.stable_errors, evidence.stable_requests),
        _rate(evidence.canary_errors, evidence.canary_requests),
    )


def _relative(guardrail: Guardrail, evidence: Evidence) -> float:
    """Worse than stable *and* above the floor: the smaller of two e-values is evidence against either null."""
    floor = floor_e_value(evidence.canary_failing, evidence.canary_requests, ERROR_FLOOR)
    return min(_against_stable(evidence, guardrail.limit), floor)


def _absolute(guardrail: Guardrail, evidence: Evidence) -> float:
    """Above the limit *and*, while there is a control, worse than it: an outage of both arms blames nobody.

    The same threshold for both halves keeps what this guard adds to the chance of a false rollback at 1e-4.
    """
    absolute = absolute_e_value(evidence.canary_failing, evidence.canary_requests, guardrail.limit)
    if evidence.control_unseen_seconds >= CONTROL_LOST_SECONDS:
        return absolute
    return min(absolute, _against_stable(evidence, 1.0))


def _against_stable(evidence: Evidence, ratio: float) -> float:
    """Evidence that the canary is more than `ratio` times as bad as stable; none once stable is no longer counted."""
    if evidence.stable_failing >= MAX_STABLE_FAILING:
        return 1.0
    return ratio_e_value(evidence.canary_failing, evidence.stable_failing, evidence.weight, ratio)


def _verdict(guardrail: Guardrail, e_value: float, evidence: Evidence) -> Verdict:
    if e_value >= guardrail.threshold and evidence.canary_failing >= MIN_FAILING_UNITS:
        return "fail"
    return "inconclusive"


def _rate(events: int, requests: int) -> float | None:
    return events / requests if requests else None
