"""Counts of finished calls in memory, as metrics: by names of the configuration alone, and bounded.

A call only leaves its outcome in a list. Some hundred of them are then counted together, which takes less for each than
counting it by itself. No conversation, user or digest is a label.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

from gateway.calls import ArmName, Attempt, Call, End, FormatName, Operation, Outcome
from gateway.errors import NOT_SENT, FailureKind
from gateway.telemetry.families import (
    ATTEMPTS,
    BEHAVIOURS,
    CALLS,
    COST,
    COUNTED,
    DECISIONS,
    DURATION,
    FALLBACKS,
    FIRST_TOKEN,
    JUDGE_COST,
    JUDGE_DROPPED,
    JUDGED,
    OVERHEAD,
    SCORES,
    TOKEN_USAGE,
    UNPRICED,
    MetricFamily,
)
from gateway.telemetry.samples import LabelValues, Samples
from routing.assignment import Reason

MOST_SERIES = {"counter": 10_000, "histogram": 2_000}  # of each family; what is beyond is counted as `other`
OTHER = "other"
JudgeEnd = Literal["passed", "failing", "undecided", "failed"]
JudgeDrop = Literal["queue_full", "taken", "paused", "spent", "failed", "store_away"]
_AT_ONCE = 256  # calls that are counted together, in about a millisecond
_MEASURED = 16  # the gateway's own part is measured on the first of so many calls that are counted together
_MOST_LOOKED_UP = 10_000  # kinds of attempts whose series are held at hand
_ARMS: Mapping[Reason, str] = {
    "split": "", "pin": "apart", "rule": "apart", "passed": "apart", "shadow": "shadow", "model": "",
}  # fmt: skip
_OPERATIONS: Mapping[Operation, str] = {
    "generate": "chat", "embeddings": "embeddings", "completions": "text_completion", "passed": "passed",
}  # fmt: skip

# What calls of one attempt have in common that are counted together; the rest of their labels follows from it.
_Kind = tuple[str, str, ArmName | None, Reason, str, FormatName, Operation, End, str, FailureKind | None]


@dataclass(frozen=True, slots=True)
class KnownTargets:
    """Names that labels take from the configuration: its `targets` as `provider/model`, and each provider's system, as
    the conventions call it.
    """

    targets: Set[str] = frozenset()
    systems: Mapping[str, str] = field(default_factory=dict)

    def bounded(self, target: str) -> str:
        """Return the target; where clients may name its model freely, the provider's `other`."""
        return target if target in self.targets else f"{target.partition('/')[0]}/{OTHER}"


class _Series(NamedTuple):
    """The numbers that attempts of one kind add to; those of what they have no part in are nobody's."""

    attempts: list[float]
    durations: list[float]
    given: list[float]
    output: list[float]
    cost: list[float]
    unpriced: list[float]


class CallCounts:
    """The counters of one process. `known` follows the configuration."""

    def __init__(self) -> None:
        self.known = KnownTargets()
        self._waiting: list[tuple[Outcome, FormatName, Operation, str]] = []
        self._looked_up: dict[_Kind, _Series] = {}
        self._series: dict[str, dict[LabelValues, list[float]]] = {family.name: {} for family in COUNTED}

    def count(self, outcome: Outcome, call: Call, model: str) -> None:
        """Count a call that has ended. `model` is the version, or the plain model's name among those told apart."""
        waiting = self._waiting
        waiting.append((outcome, call.format, call.operation, model))
        if len(waiting) >= _AT_ONCE:
            self._count_waiting()

    def count_alike(self, outcomes: list[Outcome], form: FormatName, operation: Operation, model: str) -> None:
        """Count calls of one attempt that have all of their labels in common."""
        first = outcomes[0]
        attempt = first.attempts[0]
        self._count_kind(
            (
                first.agent, model, first.arm, first.reason, first.caller, form, operation, first.end, attempt.target,
                attempt.failure,
            ),
            outcomes,
        )  # fmt: skip

    def score(self, agent: str, version: str, arm: str) -> None:
        """Count a score of feedback."""
        self._value(SCORES, (agent, version, arm))[0] += 1

    def judge(self, agent: str, version: str, end: JudgeEnd) -> None:
        """Count a call that a judge was asked about."""
        self._value(JUDGED, (agent, version, end))[0] += 1

    def drop_judge(self, agent: str, reason: JudgeDrop) -> None:
        """Count a sampled call that a judge did not grade."""
        self._value(JUDGE_DROPPED, (agent, reason))[0] += 1

    def pay_judge(self, agent: str, nano_usd: int) -> None:
        """Count what a judge cost."""
        self._value(JUDGE_COST, (agent,))[0] += nano_usd

    def show(self, outcome: Outcome) -> None:
        """Count the behaviours that a call shows."""
        split = _split(outcome.agent, outcome.version, outcome.arm, outcome.reason)
        for behaviour in outcome.shown:
            self._value(BEHAVIOURS, (*split, behaviour))[0] += 1

    def decide(self, agent: str, action: str) -> None:
        """Count a change of a rollout's record that this process made."""
        self._value(DECISIONS, (agent, action))[0] += 1

    def follow(self, known: KnownTargets) -> None:
        """Take the names of a new configuration."""
        self._count_waiting()
        self.known = known
        self._looked_up.clear()

    def samples(self) -> Samples:
        """Return a copy of all that was counted."""
        self._count_waiting()
        return {name: {labels: list(values) for labels, values in each.items()} for name, each in self._series.items()}

    def _count_waiting(self) -> None:
        """Count the calls that wait: those of one attempt by their kinds, the others one by one."""
        waiting, self._waiting = self._waiting, []
        kinds: defaultdict[_Kind, list[Outcome]] = defaultdict(list)
        for outcome, form, operation, model in waiting:
            attempts = outcome.attempts
            if len(attempts) == 1:
                attempt = attempts[0]
                kinds[
                    outcome.agent, model, outcome.arm, outcome.reason, outcome.caller, form, operation,
                    outcome.end, attempt.target, attempt.failure,
                ].append(outcome)  # fmt: skip
            else:
                self._count_several(outcome, form, operation, model)
        for kind, outcomes in kinds.items():
            self._count_kind(kind, outcomes)

    def _count_kind(self, kind: _Kind, outcomes: list[Outcome]) -> None:
        """Count calls of one attempt."""
        agent, model, side, reason, key, form, _, end, _, _ = kind
        split = _split(agent, model, side, reason)
        self._value(CALLS, (*split, key, form, end))[0] += len(outcomes)
        self._count_attempts(kind, [outcome.attempts[0] for outcome in outcomes])
        if streams := [outcome for outcome in outcomes if outcome.stream]:
            self._count_first_tokens(streams, (*split, form))
        if end == "answered":
            overheads = [_overhead(outcome) for outcome in outcomes[::_MEASURED]]
            _observe(self._value(OVERHEAD, (form,)), OVERHEAD.bounds, overheads)

    def _count_several(self, outcome: Outcome, form: FormatName, operation: Operation, model: str) -> None:
        """Count a call of no attempt or more than one."""
        split = _split(outcome.agent, model, outcome.arm, outcome.reason)
        self._value(CALLS, (*split, outcome.caller, form, outcome.end))[0] += 1
        self._count_first_tokens([outcome], (*split, form))
        for attempt in outcome.attempts:
            kind = (
                outcome.agent, model, outcome.arm, outcome.reason, outcome.caller, form, operation,
                outcome.end, attempt.target, attempt.failure,
            )  # fmt: skip
            self._count_attempts(kind, [attempt])
        for before, after in pairwise(outcome.attempts):
            if before.target != after.target and before.failure not in (None, "overtaken"):
                self._value(FALLBACKS, (split[0], before.target, after.target, str(before.failure)))[0] += 1

    def _count_first_tokens(self, outcomes: Iterable[Outcome], labels: LabelValues) -> None:
        waits = [each.first_token_at - each.received_at for each in outcomes if each.first_token_at is not None]
        if waits:
            _observe(self._value(FIRST_TOKEN, labels), FIRST_TOKEN.bounds, waits)

    def _count_attempts(self, kind: _Kind, attempts: Sequence[Attempt]) -> None:
        series = self._looked_up.get(kind) or self._look_up(kind)
        series.attempts[0] += len(attempts)
        _observe(series.durations, DURATION.bounds, [attempt.ended_at - attempt.started_at for attempt in attempts])
        usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
        if usages:
            _observe(series.given, TOKEN_USAGE.bounds, [usage.input for usage in usages])
            _observe(series.output, TOKEN_USAGE.bounds, [usage.output for usage in usages])
            costs = [attempt.cost_nano_usd for attempt in attempts]
            if None in costs:
                series.unpriced[0] += len(usages) - sum(cost is not None for cost in costs)
            series.cost[0] += sum(filter(None, costs))

    def _look_up(self, kind: _Kind) -> _Series:
        """Return the series of a kind of attempts, and have them at hand from then on."""
        agent, model, side, reason, key, _, operation, _, target, failure = kind
        split = _split(agent, model, side, reason)
        if reason == "model" and target != model:
            target = self.known.bounded(target)
        provider, _, name = target.partition("/")
        at = (*split, _OPERATIONS[operation], self.known.systems.get(provider, provider), name, provider)
        is_sent = failure not in NOT_SENT
        series = _Series(
            self._value(ATTEMPTS, (*split, provider, name, failure or "")),
            self._value(DURATION, (*at, failure or "")) if is_sent else _nothing(DURATION),
            self._value(TOKEN_USAGE, (*at, "input")) if is_sent else _nothing(TOKEN_USAGE),
            self._value(TOKEN_USAGE, (*at, "output")) if is_sent else _nothing(TOKEN_USAGE),
            self._value(COST, (*split, key, provider, name)),
            self._value(UNPRICED, (*split[:2], provider, name)),
        )
        if len(self._looked_up) >= _MOST_LOOKED_UP:
            self._looked_up.clear()
        self._looked_up[kind] = series
        return series

    def _value(self, family: MetricFamily, labels: LabelValues) -> list[float]:
        """Return the numbers of a series, which begins at nothing; that of all others once there are too many."""
        series = self._series[family.name]
        values = series.get(labels)
        if values is None:
            if len(series) >= MOST_SERIES[family.kind]:
                labels = (OTHER,) * len(family.labels)
            values = series.setdefault(labels, _nothing(family))
        return values


def _split(agent: str, version: str, arm: ArmName | None, reason: Reason) -> tuple[str, str, str]:
    """Return the labels that tell versions and arms apart; a plain model's call has none of them."""
    return ("", "", "") if reason == "model" else (agent, version, arm or _ARMS[reason])


def _overhead(outcome: Outcome) -> float:
    attempt = outcome.attempts[0]
    return outcome.ended_at - outcome.received_at - (attempt.ended_at - attempt.started_at)


def _nothing(family: MetricFamily) -> list[float]:
    return [0] * family.width


def _observe(values: list[float], bounds: tuple[float, ...], observed: list[float]) -> None:
    """Add to a histogram; sorted, a bucket is found once for all that is in it. No sum ever falls."""
    observed.sort()
    last, begin = len(observed), 0
    while begin < last:
        bucket = bisect_left(bounds, observed[begin])
        end = bisect_right(observed, bounds[bucket], begin) if bucket < len(bounds) else last
        values[bucket] += end - begin
        begin = end
    values[-1] += max(sum(observed), 0)
