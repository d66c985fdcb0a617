"""Detection time of guardrails: whole steps drawn by chance, decided by `assess` and `rollout.decide`.

The decision is asked whenever a running upper bound of the evidence says that there might be a breach. The bound is T1
as a recursion, which costs the same however long the step is; it only spares the work, and never decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from policies.evidence.evidence import (
    CONVERSATIONS,
    ERRORS,
    REJECTIONS,
    REPEATS,
    WHOLE,
    ArmEvidence,
    Evidence,
    checked,
    repeated,
)
from policies.guardrails.grammar import ABSOLUTE_THRESHOLD, THRESHOLD, Guardrail
from policies.guardrails.guardrails import assess, shares
from policies.rollout import rollout
from policies.rollout.rollout import CONTROLLER, Findings
from policies.rollout.state import Intent, State, Step, VersionRef
from policies.simulation.worlds import Bad, Chance, Taken, World, happenings
from policies.statistics.means import Sample, mean_e_value
from policies.statistics.restarts import StepClock, first_minute, slot
from policies.statistics.sequential import GRID

MAX_CALLS = 20_000  # of the canary: at 5 % of 50 calls a second, two hours

_STABLE, _CANARY = VersionRef("stable", "stable"), VersionRef("canary", "canary")
_INTENT = Intent(_STABLE, _CANARY, (Step(500),))
_RUNNING = State(
    epoch=1, phase="running", step=1, weight=500, stable=_STABLE, canary=_CANARY, rollout=1, evidence=1,
    reason="", actor=CONTROLLER, action="start", changed_at=0.0, rolled_back={},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Breach:
    """A rollback: after so many canary requests and minutes, resting on one guardrail, at the family's e-value."""

    requests: int
    minutes: float
    guardrail: str
    e_value: float


@dataclass(frozen=True, slots=True)
class Detection:
    """Result of many rollouts: the share rolled back, and canary requests and minutes until then, at the median and for
    95 of 100. None where too few were rolled back.
    """

    share: float
    median_requests: int | None
    p95_requests: int | None
    median_minutes: float | None
    p95_minutes: float | None


def first_breach(
    guardrails: Sequence[Guardrail], world: World, chance: Chance, limit: int = MAX_CALLS
) -> Breach | None:
    """The rollback in one step without end; None when there is none within `limit` canary requests."""
    watch = StepWatch(guardrails, world)
    for calls, _, happening in happenings(guardrails, world, chance):
        if calls > limit:
            return None
        if watch.book(calls, happening) and (breach := watch.decide(calls)):
            return breach
    return None


def expected_detection(guardrails: Sequence[Guardrail], world: World, chance: Chance, runs: int = 200) -> Detection:
    """Estimate how soon these guardrails roll back in such a world, over `runs` simulated rollouts."""
    return detection([first_breach(guardrails, world, chance) for _ in range(runs)])


def detection(breaches: Sequence[Breach | None]) -> Detection:
    """The summary of simulated rollouts."""
    found = sorted((breach for breach in breaches if breach), key=lambda breach: breach.requests)
    median, late = (_at(found, len(breaches), q) for q in (0.5, 0.95))
    return Detection(
        share=len(found) / len(breaches),
        median_requests=median.requests if median else None,
        p95_requests=late.requests if late else None,
        median_minutes=median.minutes if median else None,
        p95_minutes=late.minutes if late else None,
    )


def _at(found: Sequence[Breach], runs: int, q: float) -> Breach | None:
    """The first of the sorted breaches that at least the share `q` of all runs does not exceed."""
    rank = max(math.ceil(q * runs), 1)
    return found[rank - 1] if rank <= len(found) else None


class StepWatch:
    """A running step: its counts, an upper bound of its evidence, and the decision where that is high."""

    def __init__(self, guardrails: Sequence[Guardrail], world: World) -> None:
        self._guardrails, self._world = tuple(guardrails), world
        share_of = shares(guardrails)
        family = [(guardrail, share) for guardrail in guardrails if (share := share_of[guardrail.text])]
        self._alone = {guardrail.components[0] for guardrail in guardrails if not guardrail.relative}
        self._bad: dict[str, dict[str, dict[int, int]]] = {"canary": {}, "stable": {}}
        self._taken: dict[str, Taken] = {}
        self._bounds: dict[str, dict[float, _Bound]] = {}
        for guardrail in guardrails:
            for component in guardrail.components:
                self._bounds.setdefault(component, {})[guardrail.tolerated] = _Bound(world.weight, guardrail.tolerated)
        self._events = [
            (
                share * event.part,
                self._bounds[event.component][guardrail.tolerated] if event.times <= world.turns else None,
            )
            for guardrail, share in family
            for event in guardrail.events
        ]
        self._means = [
            (share, guardrail.metric.name, guardrail.limit) for guardrail, share in family if guardrail.is_mean
        ]
        self._worth_of_means = sum(share for share, _, _ in self._means)
        self._has_turns = any(guardrail.population == "conversations" for guardrail in guardrails)

    def book(self, calls: int, happening: Bad | Taken) -> bool:
        """Count what happened at the canary's call of that number; whether the decision has to be asked."""
        if isinstance(happening, Taken):
            for metric in happening.metrics:
                self._taken[metric] = self._taken_of(metric).merged(happening)
            self._worth_of_means = sum(share * self._mean_bound(metric, limit) for share, metric, limit in self._means)
            return self._suspect()
        self._count(self._world.minute(calls), happening)
        return any(happening.canary) and (self._suspect() or self._absolute(happening))

    def bound(self) -> float:
        """Return an upper bound of the family's e-value."""
        return self._worth_of_means + sum(part * (bound.value if bound else 1.0) for part, bound in self._events)

    def decide(self, calls: int) -> Breach | None:
        """The rollback that the evidence asks for, if it does."""
        evidence = self.evidence(calls)
        assessment = assess(self._guardrails, (), evidence)
        minutes = calls / self._world.calls_per_minute
        decision = rollout.decide(_RUNNING, _INTENT, Findings(assessment, evidence, self._guardrails), minutes * 60)
        if decision is None or assessment.proven is None:
            return None
        return Breach(calls, minutes, assessment.proven.guardrail.text, assessment.e_value)

    def evidence(self, calls: int) -> Evidence:
        """Return all that was counted until the canary's call of that number."""
        odds = (1 - self._world.weight) / self._world.weight
        canary, stable = self._arm("canary", calls, 1.0), self._arm("stable", calls, odds)
        return Evidence(self._world.weight, canary, stable, minute=self._world.minute(calls))

    def _taken_of(self, metric: str) -> Taken:
        return self._taken.get(metric) or Taken((metric,), Sample(), Sample())

    def _mean_bound(self, metric: str, limit: float) -> float:
        taken = self._taken_of(metric)
        return (1 + mean_e_value(taken.canary, taken.stable, limit)) / 2

    def _suspect(self) -> bool:
        return self.bound() >= THRESHOLD * 0.999  # a bound that rounding made smaller must not hide a breach

    def _absolute(self, happening: Bad) -> bool:
        """Return whether an absolute guard may be breached: its e-value is at most that of the bare comparison."""
        components = self._alone.intersection(happening.components)
        return any(self._bounds[each][1.0].value >= ABSOLUTE_THRESHOLD * 0.999 for each in components)

    def _count(self, minute: int, bad: Bad) -> None:
        index = slot(minute)
        for component, hit, others in zip(bad.components, bad.canary, bad.stable, strict=True):
            for arm, count in (("canary", int(hit)), ("stable", others)):
                for times in (1, *(times for times in REPEATS if times <= self._world.turns)):
                    slots = self._bad[arm].setdefault(repeated(component, times), {})
                    slots[index] = slots.get(index, 0) + count
            for bound in self._bounds[component].values():
                bound.book(hit, others, minute)

    def _arm(self, arm: Literal["canary", "stable"], calls: int, factor: float) -> ArmEvidence:
        bad, turns = self._bad[arm], self._world.turns
        rejected, served = bad.get(REJECTIONS, {}), self._requests(calls)
        requests = {index: max(round(n * factor) - rejected.get(index, 0) * turns, 0) for index, n in served.items()}
        looked_at = {name: bad.get(name, {}) for name in self._alone} if arm == "canary" else {}
        bad = {**bad, **{checked(name): slots for name, slots in looked_at.items()}}
        units = sum(requests.values()) // turns
        if self._has_turns:
            bad[CONVERSATIONS] = {index: count // turns for index, count in requests.items()}
        return ArmEvidence(
            requests=requests,
            checks={name: max(units - sum(slots.values()), 0) for name, slots in looked_at.items()},
            errors=sum(bad.get(ERRORS, {}).values()) * turns,
            units=units,
            bad={name: {index: count * WHOLE for index, count in slots.items()} for name, slots in bad.items()},
            bad_units={name: sum(slots.values()) for name, slots in bad.items()},
            samples={name: taken.canary if arm == "canary" else taken.stable for name, taken in self._taken.items()},
            scored={index: count // turns for index, count in requests.items()},
        )

    def _requests(self, calls: int) -> dict[int, int]:
        """The canary's calls by slot."""
        last = slot(self._world.minute(calls))
        firsts = [min(self._world.canary_calls(first_minute(index)), calls) for index in range(last + 1)]
        spans = zip(firsts, [*firsts[1:], calls], strict=True)
        return {index: until - first for index, (first, until) in enumerate(spans)}


class _Bound:
    """Σ ω_j·E^(j) of one component without its floor, kept up to date: for each bet the weighted sum over restarts."""

    def __init__(self, weight: float, ratio: float) -> None:
        odds = weight / (1 - weight)
        shrunk = [(1 + ratio * odds) / (1 + ratio * multiple * odds) for multiple in GRID]
        self._stable = [math.log(value) for value in shrunk]
        self._canary = [multiple * value for multiple, value in zip(GRID, shrunk, strict=True)]
        self._sums = [0.0] * len(GRID)
        self._clock = StepClock(-1)
        self.value = 1.0

    def book(self, canary: bool, stable: int, minute: int) -> None:
        now = self._clock if minute == self._clock.minute else StepClock(minute)
        fresh = now.weight(self._clock.until, now.until) if now is not self._clock else 0.0
        self._clock = now
        sums = [(value + fresh) * math.exp(stable * log) for value, log in zip(self._sums, self._stable, strict=True)]
        if canary:
            sums = [min(value * factor, 1e300) for value, factor in zip(sums, self._canary, strict=True)]
        self._sums = sums
        self.value = sum(sums) / len(sums) + now.not_begun
