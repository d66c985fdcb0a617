"""The tree of frozen values behind `/status/{agent}/history`, and `recent` in `/status`.

The members of these classes are the members of the JSON. Times are RFC 3339 in UTC, rates 0…1, money US dollars;
None where nothing is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Durations in seconds."""

    p50: float | None
    p90: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class TokenSums:
    """Tokens by kind; `cached` is a part of `input`, `reasoning` a part of `output`."""

    input: int
    output: int
    cached: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class RecentView:
    """A version's split-assigned calls of the last minute, 5 minutes or hour, over all replicas.

    `errors` are those of first attempts on the version, which a fallback may have answered. `unanswered` are the calls
    whose client got an error or a broken answer, `rejected` those that the provider refused to serve, `unjudged` those
    that say nothing of the version: `error_rate` leaves them out.
    """

    calls: int
    errors: int
    error_rate: float | None
    p50_seconds: float | None
    p90_seconds: float | None
    ttft_p50_seconds: float | None
    cost_per_call_usd: float | None
    quality: float | None
    rejected: int = 0
    unanswered: int = 0
    unjudged: int = 0

    @property
    def judged(self) -> int:
        """Return the calls that say something of the version."""
        return self.calls - self.unjudged

    @property
    def unanswered_rate(self) -> float:
        """Return the share of calls whose client got an error or a broken answer."""
        return self.unanswered / self.calls if self.calls else 0.0

    @property
    def failing_rate(self) -> float:
        """Return the share of all calls that the version failed at first, whoever answered them then."""
        return self.errors / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class PointView:
    """The calls that ended within one step, which begins `at`.

    `errors` are those of first attempts on the version, `errors_by_kind` the same by kind of failure. `rejected` calls
    are those that the provider refused to serve, `unpriced` ones are missing from the cost, and `units` are the
    conversations (or users, or requests) that began. `behaviours` counts the calls that show each, watched or not.
    """

    at: str
    calls: int
    errors: int
    errors_by_kind: Mapping[str, int]
    error_rate: float | None
    rejected: int
    fallbacks: int
    escalations: int
    latency_seconds: Quantiles
    ttft_seconds: Quantiles
    tokens: TokenSums
    cost_usd: float | None
    cost_per_call_usd: float | None
    unpriced: int
    quality: float | None
    units: int
    behaviours: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeriesView:
    """The points of a version's calls on one arm, the oldest first; a step without calls has none.

    `arm` is `stable` or `canary` in a trial and '' outside of one, `apart` for pinned, rule-matched and passed calls,
    and `shadow` for the copies of calls. The version `other` sums up those that are too many to be told apart.
    """

    version: str
    arm: str
    points: tuple[PointView, ...]


@dataclass(frozen=True, slots=True)
class GuardrailPointView:
    """The evidence against one guardrail at one time. `stable`, `canary` and `limit` have the metric's own unit.

    `limit` is what the canary may reach: for a guardrail relative to stable, that many times `stable`.
    """

    text: str
    e_value: float
    stable: float | None
    canary: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class EvidencePointView:
    """The evidence against an agent's guardrails in one minute of a trial."""

    at: str
    guardrails: tuple[GuardrailPointView, ...]


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A change of the record, by whom, and the evidence it rests on as the audit trail has it."""

    at: str
    actor: str
    action: str
    reason: str
    evidence: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class HistoryView:
    """An agent's counts over time. `since` and `until` are those of the steps that were read.

    `decisions` are the latest of the time, the oldest first, without their evidence.
    """

    agent: str
    now: str
    step_seconds: int
    since: str
    until: str
    series: tuple[SeriesView, ...]
    evidence: tuple[EvidencePointView, ...]
    decisions: tuple[DecisionView, ...]
