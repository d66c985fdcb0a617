"""The tree of frozen values behind `/status`, which page, command line and demo read.

The members of these classes are the members of the JSON. Times are RFC 3339 in UTC, shares and rates 0…1, money US
dollars; None where nothing is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.history.view import DecisionView, Quantiles, RecentView, TokenSums
from gateway.judging.view import JudgeView
from gateway.limits.limit_view import LimitView
from gateway.overload.view import OverloadView
from policies.rollout.state import VersionRef


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a rollout. `weight` is the configured share; `hold_seconds` is None in a trial without steps."""

    weight: float
    hold_seconds: float | None
    min_requests: int
    approval: bool


@dataclass(frozen=True, slots=True)
class CountsView:
    """The `bad` ones `of` so many calls or units; `bad` is None where the guardrail compares means."""

    bad: float | None
    of: int


@dataclass(frozen=True, slots=True)
class FindingView:
    """A guardrail or signal, what was measured for it, and the evidence against the canary.

    `verdict` is one of `no data`, `watching`, `suspect`, `breached`, `fine`. `share` is its part in the family's
    E-value; `evidence` is the E-value times that part, which counts against `threshold`. `e_value_of_all` is larger
    than `e_value` where a single caller or user shows more than all others. `stable` and `canary` are measured in
    `unit`: `share` (0…1), `seconds`, `usd` or `tokens` a call. `limit` is a factor on stable's value where `relative`,
    else a value in that unit; `ratio` is the canary's value to stable's.
    """

    text: str
    metric: str
    verdict: str
    e_value: float
    e_value_of_all: float
    evidence: float
    threshold: float
    share: float
    unit: str
    relative: bool
    limit: float
    stable: float | None
    canary: float | None
    ratio: float | None
    stable_counts: CountsView | None
    canary_counts: CountsView | None


@dataclass(frozen=True, slots=True)
class OutlookView:
    """The expected course of a trial; no decision rests on it.

    The canary's error rate is `error_ratio_low` to `error_ratio_high` times stable's, the latter None without a bound.
    """

    error_ratio_low: float
    error_ratio_high: float | None
    canary_requests_to_rollback: int | None


@dataclass(frozen=True, slots=True)
class ShadowView:
    """The version that gets copies of calls, the share of them, and their spend limit."""

    version: str
    sample: float
    max_per_minute: int
    max_usd_per_day: float | None


@dataclass(frozen=True, slots=True)
class RetirementView:
    """A target whose model ends. `days` are those that are left; 0 or less: it has been retired.

    `source` is the page, the provider or the file that says so.
    """

    target: str
    on: str
    days: int
    source: str

    def __str__(self) -> str:
        return f"{self.target} {'was retired' if self.days <= 0 else 'will be retired'} on {self.on} ({self.source})"


@dataclass(frozen=True, slots=True)
class CallSums:
    """The sums of a version's calls over all replicas, in the running rollout.

    `errors` are those of first attempts on the version. `unjudged` calls say nothing of it, `censored` ones met an
    open circuit, `held` ones are of conversations whose arm no weight drew, `unpriced` ones are missing from
    the cost. `behaviours` counts the calls that show each behaviour, such as `truncated`.
    """

    requests: int
    errors: int
    unjudged: int
    censored: int
    held: int
    rejected: int
    error_rate: float | None
    fallbacks: int
    escalations: int
    hedges: int
    hedges_won: int
    latency_seconds: Quantiles
    ttft_seconds: Quantiles
    tokens: TokenSums
    cost_usd: float | None
    cost_per_request_usd: float | None
    unpriced: int
    behaviours: Mapping[str, int]

    @property
    def judged(self) -> int:
        """Return the calls that say something of the version."""
        return self.requests - self.unjudged


@dataclass(frozen=True, slots=True)
class ApartSums:
    """Traffic outside the split: pins, rules, and forwarded endpoints."""

    requests: int
    errors: int


@dataclass(frozen=True, slots=True)
class ReasonView:
    """Reason why calls of a version failed, how often, when last, and the ids of the latest such calls.

    Numbers in `message` are `#`, and what it quotes is `…`. `status` is the provider's, `code` its word for the error.
    `is_error` says whether these failures count as errors of the version.
    """

    count: int
    last_at: str
    target: str
    failure: str
    status: int | None
    code: str
    message: str
    is_error: bool
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionView(CallSums):
    """A version: the sums of the calls that the split gave it, of those apart from it, of the copies it got.

    `quality` is the mean score of the feedback, 0 (bad) to 1 (good). `recent` has the last minute, five minutes and
    hour, as `1m`, `5m` and `1h`. `reasons` say why calls of the rollout failed, the latest causes first, 20 at most.
    """

    quality: float | None
    apart: ApartSums
    shadow: CallSums | None
    recent: Mapping[str, RecentView] = field(default_factory=dict)
    reasons: tuple[ReasonView, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent: its record, the evidence of the running step, its versions' sums.

    `weight` is the share that this replica gives the canary. `read_at` says when the store was read, `openings` what
    this replica has seen of calls that begin alike, `retirements` which models end within 60 days, `excluded` who is
    kept off the canary, `ignored_rules` which rules point to a version that was rolled back. `measure_here` says what
    this replica does alone while the store is away: a quarantine, or an exclusion. `split_mismatch` says that the
    canary's share of the calls is proven not to be its weight. `reviews` counts answers that wait for people, None
    where nobody reviews; `judge` is None where nothing grades live calls.
    """

    phase: str | None
    epoch: int
    step: int
    steps: tuple[StepView, ...]
    weight: float
    pinned: bool
    approved: bool
    dismissed: tuple[str, ...]
    reason: str
    changed_at: str | None
    stable: VersionRef
    canary: VersionRef | None
    e_value: float
    threshold: float
    guardrails: tuple[FindingView, ...]
    signals: tuple[FindingView, ...]
    outlook: OutlookView | None
    waits_for: tuple[str, ...]
    shadow: ShadowView | None
    versions: Mapping[str, VersionView]
    last_decision: DecisionView | None
    read_at: str | None
    unpriced: tuple[str, ...]
    openings: str | None
    retirements: tuple[RetirementView, ...]
    excluded: str | None
    ignored_rules: tuple[str, ...] = ()
    measure_here: str | None = None
    split_mismatch: bool = False
    reviews: int | None = None
    judge: JudgeView | None = None


@dataclass(frozen=True, slots=True)
class ConfigView:
    """The configuration that serves; `error` says what is wrong with the files as they are now."""

    digest: str
    loaded_at: str
    error: str | None


@dataclass(frozen=True, slots=True)
class StoreView:
    """The store as this replica reaches it; `error` says why it does not, `risks` what may lose records later."""

    backend: str
    ok: bool
    error: str | None
    risks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShadowQueueView:
    """The number of copies that wait in this replica, and of those dropped since its start, by reason."""

    waiting: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The replica that answers. `circuits` holds the state of every target's circuit that is not closed.

    `refused` counts the requests that it refused since its start, by status and code. `overload` says what it sheds.
    """

    version: str
    replica: str
    config: ConfigView
    store: StoreView
    circuits: Mapping[str, str]
    shadows: ShadowQueueView
    refused: Mapping[str, int] = field(default_factory=dict)
    overload: OverloadView = field(default_factory=OverloadView)


@dataclass(frozen=True, slots=True)
class StatusView:
    """The answer of `/status`; `agents` by name, and `models` the sums of plain models' calls, by target.

    The entry `other` is of models that never answered, or are too many. `unpriced_models` served here without a known
    price, and `model_retirements` are of models in use that end within 60 days. `limits` are those of the agents, and
    in an overview those of keys and groups.
    """

    now: str
    gateway: GatewayView
    agents: Mapping[str, AgentView]
    models: Mapping[str, CallSums] = field(default_factory=dict)
    unpriced_models: tuple[str, ...] = ()
    model_retirements: tuple[RetirementView, ...] = ()
    limits: tuple[LimitView, ...] = ()


def is_shown_by_one(finding: FindingView) -> bool:
    """Return whether the calls of one party show a breach that the others do not show."""
    return finding.e_value_of_all * (finding.share or 1.0) >= finding.threshold > finding.evidence


def apart_in_words(versions: Mapping[str, VersionView]) -> list[str]:
    """Return a line on each kind of call that is no full evidence, and one on the behaviours that calls showed."""
    said = {
        "Some calls are no evidence, because a target's circuit was open": _counts(versions, lambda s: s.censored),
        "Some calls are no evidence, because their conversations began before this trial, or were moved": _counts(
            versions, lambda sums: sums.held
        ),
    }
    lines = [f"{sentence}: {counts}." for sentence, counts in said.items() if counts]
    if behaviours := behaviours_in_words(versions):
        lines.append(f"{behaviours}.")
    return [f"{rejected}.", *lines] if (rejected := rejected_in_words(versions)) else lines


def rejected_in_words(versions: Mapping[str, VersionView]) -> str:
    """Return how many requests of each version the provider rejected in the rollout; '' if none."""
    counts = _counts(versions, lambda sums: sums.rejected)
    return f"The provider rejected some requests, whatever the cause: {counts}" if counts else ""


def behaviours_in_words(versions: Mapping[str, VersionView]) -> str:
    """Return how many calls of each version showed a behaviour, the most frequent first; '' if none."""
    shown = ((name, sorted(sums.behaviours.items(), key=lambda each: -each[1])) for name, sums in versions.items())
    said = [f"{name} {', '.join(f'{each} {count:,}' for each, count in found)}" for name, found in shown if found]
    return f"Behaviours that calls showed: {'; '.join(said)}" if said else ""


def _counts(versions: Mapping[str, VersionView], count: Callable[[CallSums], int]) -> str:
    return ", ".join(f"{name} {count(sums)}" for name, sums in versions.items() if count(sums))
