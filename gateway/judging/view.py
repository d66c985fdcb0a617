"""The view of an agent's judge in `/status`: its members are those of the JSON. Money is US dollars, scores are 0…1."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VersionVerdictsView:
    """Verdicts on one version in the running rollout.

    `low` and `high` bound the mean score (95 %), None for too few.
    """

    judged: int
    passed: int
    undecided: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class VerdictView:
    """A judge's verdict on a call. `reason` is None for readers who may not see the call's texts.

    `judge` is the beginning of its digest, `at` RFC 3339 in UTC, `cost_usd` what its questions cost.
    """

    score: float
    passed: bool
    reason: str | None
    judge: str
    at: str
    cost_usd: float


@dataclass(frozen=True, slots=True)
class JudgeView:
    """A judge of live calls. `judge` is the beginning of its digest, `sample` the share of the calls.

    `state` says in a sentence what it does now, `is_paused` that it grades nothing. `acts` says whether a guardrail may
    act on it, and `trust` why. `labels` of people stand behind `kappa`. `usd_today` includes what is reserved; None
    where the store does not say. `sampled`, and `dropped` by reason, are of the replica that answers.
    """

    target: str
    judge: str
    sample: float
    state: str
    is_paused: bool
    acts: bool
    trust: str
    labels: int
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    usd_today: float | None
    max_usd_per_day: float
    sampled: int
    judged: int
    undecided: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, VersionVerdictsView] = field(default_factory=dict)
