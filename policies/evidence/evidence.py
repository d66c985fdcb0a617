"""Evidence of a rollout's steps about their two arms: the integers behind every decision.

`bad` counts, per component and slot of the step (`policies.statistics.restarts`), the units that were bad for the first
time: a sticky unit fails as a whole, so it counts once a step. A component is one kind of bad event, such as `errors`;
`policies.guardrails.metrics` lists them. Quality is fractional, so units are counted in millionths. A unit's 4th and
16th bad call are components of their own (`repeated`): in long conversations nearly every unit has a first one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

from policies.statistics.means import Sample
from policies.statistics.restarts import StepClock, first_minute

WHOLE = 1_000_000  # one unit that was entirely bad
ERRORS = "errors"  # calls that failed by the version's doing
QUALITY = "quality"  # scored units, each as bad as its score is low
REJECTIONS = "rejections"  # requests that the provider refused to serve, whoever caused it
SCORED = "scored"  # counts, beside the bad ones, every unit that was scored: what low quality is a share of
CONVERSATIONS = "turns:1"  # conversations whose turns are counted: what those with many are a share of
GRADED_QUALITY = "judge_quality"  # as `quality`, by the scores of a judge: a part of it for each judge (`of_judge`)
GRADED = "judge_graded"  # as `scored`: every unit that a judge has graded
LEFT_OUT = "held"  # beside the bad units: calls of the canary that are left out of the evidence

REPEATS = (4, 16)  # bad calls of one unit that are events of their own, beside the first

LONE_SECONDS = 300.0  # of observation in which nobody else was seen: then there is nobody else
CALLER, USER = "c", "u"  # the two kinds of parties: keys, and the users that the only key names
CALLER_BINS = 256  # callers are few, and each bin that is used costs some counts in the store
USER_BINS = 64  # users may be very many: leaving one bin out leaves 63 of 64 in

SlotCounts = Mapping[int, int]
Population = Literal[
    "judged calls", "judged and rejected calls", "scored units", "graded units", "conversations"
]  # what might have been bad

_OF_PARTY = "@"  # between a component or a metric and the party whose part of it is counted
_OF_COUNT = "#"  # between a component and which of a unit's bad calls is the event
_OF_CHECK = "!"  # after a component, where the calls that absolute limits check are counted
_OF_STEP = "~"  # between a component and the earlier step in which its units began
_OF_JUDGE = ":"  # between a component and the digest of the judge whose verdicts it counts


def part_of(name: str, party: str) -> str:
    """The name under which that party's part of a component or a sample is counted."""
    return f"{name}{_OF_PARTY}{party}"


def repeated(component: str, times: int) -> str:
    """The name of the event that a unit is bad for the `times`-th time; the first time is the component itself."""
    return component if times == 1 else f"{component}{_OF_COUNT}{times}"


def of_judge(component: str, judge: str) -> str:
    """The name of a component that counts the verdicts of one judge: verdicts of two judges are never added up."""
    return f"{component}{_OF_JUDGE}{judge}"


def graded_beside(names: Iterable[str]) -> set[str]:
    """The names under which the graded units are counted that these components are a part of."""
    beginning = of_judge(GRADED_QUALITY, "")
    return {of_judge(GRADED, name.removeprefix(beginning)) for name in names if name.startswith(beginning)}


def checked(component: str) -> str:
    """The name under which an absolute limit counts a component's bad units: those that were bad when checked."""
    return f"{component}{_OF_CHECK}"


def earlier_part(component: str, step: int) -> str:
    """The name under which a component counts the units that began in an earlier step; '' for the calls of all."""
    return f"{component}{_OF_STEP}{step}"


def whole_of(name: str) -> str:
    """The component or metric that such a name is a part of; a whole one's name is its own."""
    return name.partition(_OF_PARTY)[0]


@dataclass(frozen=True, slots=True)
class ArmEvidence:
    """Evidence of one arm in one step.

    `requests` and `errors` are judged calls, by slot for `requests`; `scored` the units that got a score, by slot;
    `units` distinct units, counted only as far as promotion asks for them; `samples` the sums of `cost` and `tokens`,
    scaled to their cap. `bad`, `bad_units` and `samples` also hold each party's part (`part_of`), and `requests_of` the
    canary's judged calls by party. Units that began in an earlier step are apart in `bad`, `bad_units` and
    `requests_of` (`earlier_part`), and nowhere else. `checks` counts the canary's calls that absolute limits
    checked and found good, by component and party's part (`rejections`: the failing ones, for all others are under
    `errors`); `recent` these and the bad units (`checked`), by window.
    """

    requests: SlotCounts = field(default_factory=dict)
    errors: int = 0
    units: int = 0
    bad: Mapping[str, SlotCounts] = field(default_factory=dict)
    bad_units: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)
    scored: SlotCounts = field(default_factory=dict)
    requests_of: Mapping[str, SlotCounts] = field(default_factory=dict)
    checks: Mapping[str, int] = field(default_factory=dict)
    recent: Mapping[str, SlotCounts] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ArmEvidence":
        """The evidence that `dataclasses.asdict` and JSON made a record of; JSON knows only text as names."""
        return cls(
            requests=_slots(record["requests"]),
            errors=record["errors"],
            units=record["units"],
            bad={component: _slots(counts) for component, counts in record["bad"].items()},
            bad_units=dict(record["bad_units"]),
            samples={metric: _sample(sums) for metric, sums in record["samples"].items()},
            scored=_slots(record.get("scored", {})),
            requests_of={party: _slots(counts) for party, counts in record.get("requests_of", {}).items()},
            checks=dict(record.get("checks", {})),
            recent={name: _slots(counts) for name, counts in record.get("recent", {}).items()},
        )

    @property
    def calls(self) -> int:
        return sum(self.requests.values())

    @property
    def left_out(self) -> int:
        """Return the calls that are left out because of their conversations: held ones, and bad later turns that one
        before stands for."""
        return self.bad_units.get(LEFT_OUT, 0)

    def badness(self, component: str) -> float:
        """Summed badness of a component, in units."""
        return sum(self.bad.get(component, {}).values()) / WHOLE

    def trials(self, population: Population, component: str = "") -> SlotCounts:
        """Return the size of a population by slot: scored units are counted apart, and so are rejected ones.

        A refusal inside an answer is in both; that makes the rejections' share smaller, in the canary's favour.
        `component` names the judge whose graded units are asked for.
        """
        if population == "graded units":
            graded = [self.bad.get(name, {}) for name in graded_beside((component,))]
            return {index: count // WHOLE for slots in graded for index, count in slots.items()}
        if population == "judged and rejected calls":
            rejected = self.bad.get(REJECTIONS, {})
            slots = {*self.requests, *rejected}
            return {index: self.requests.get(index, 0) + rejected.get(index, 0) // WHOLE for index in slots}
        if population == "conversations":
            return {index: count // WHOLE for index, count in self.bad.get(CONVERSATIONS, {}).items()}
        return self.scored if population == "scored units" else self.requests

    def earlier_trials(self, population: Population, step: int) -> SlotCounts:
        """Return the size of a population among the units of an earlier step by slot, of calls only."""
        if population in ("scored units", "graded units", "conversations"):
            return {}
        trials = dict(self.requests_of.get(earlier_part("", step), {}))
        if population == "judged and rejected calls":
            for index, count in self.bad.get(earlier_part(REJECTIONS, step), {}).items():
                trials[index] = trials.get(index, 0) + count // WHOLE
        return trials

    def parties(self, names: Collection[str]) -> list[str]:
        """The parties that have a part in one of these components or metrics, those with most bad units first."""
        parts: dict[str, int] = {}
        for name in (*self.bad_units, *self.samples):
            whole, _, party = name.partition(_OF_PARTY)
            if party and whole in names:
                parts[party] = parts.get(party, 0) + self.bad_units.get(name, 0)
        return sorted(parts, key=lambda party: -parts[party])

    def without(self, party: str, names: Collection[str], steps: Collection[int] = ()) -> "ArmEvidence":
        """The evidence as if that party had not called, in these components and metrics alone; `steps` are those of
        the units that began earlier."""
        bad, bad_units, samples = dict(self.bad), dict(self.bad_units), dict(self.samples)
        heeded = {*names, REJECTIONS, CONVERSATIONS, *graded_beside(names)}  # what is a part of a population, too
        for name in heeded | {earlier_part(name, step) for name in heeded for step in steps}:
            part = part_of(name, party)
            if part in bad:
                bad[name] = _minus(bad.get(name, {}), bad.pop(part))
                bad_units[name] = bad_units.get(name, 0) - bad_units.pop(part, 0)
            if part in samples:
                samples[name] = samples[name].without(samples.pop(part))
        scored = {index: count // WHOLE for index, count in self.bad.get(part_of(SCORED, party), {}).items()}
        checks = {name: count - self.checks.get(part_of(name, party), 0) for name, count in self.checks.items()}
        recent = {
            name: _minus(counts, self.recent.get(part_of(name, party), {})) for name, counts in self.recent.items()
        }
        return replace(
            self,
            checks=checks,
            recent=recent,
            requests=_minus(self.requests, self.requests_of.get(party, {})),
            bad=bad,
            bad_units=bad_units,
            samples=samples,
            scored=_minus(self.scored, scored),
            requests_of={**self.requests_of, **self._earlier_requests_without(party, steps)},
        )

    def for_names(self, names: Collection[str], steps: Collection[int] = ()) -> "ArmEvidence":
        """The evidence with nothing but what these components and metrics are read from: few counts of many parties."""
        heeded = {*names, REJECTIONS, SCORED, CONVERSATIONS, *graded_beside(names)}
        kept = heeded | {earlier_part(name, step) for name in heeded for step in steps}
        is_checked = any(name.endswith(_OF_CHECK) for name in names)
        return replace(
            self,
            bad={name: counts for name, counts in self.bad.items() if whole_of(name) in kept},
            bad_units={name: count for name, count in self.bad_units.items() if whole_of(name) in kept},
            samples={name: sample for name, sample in self.samples.items() if whole_of(name) in kept},
            checks=self.checks if is_checked else {},
            recent=self.recent if is_checked else {},
        )

    def less_most(self, parties: Collection[str], names: Iterable[str], steps: Collection[int] = ()) -> "ArmEvidence":
        """The evidence with fewer bad units, from whatever slot on, than without any one of these parties; all else
        stays."""
        bad, recent, heeded = dict(self.bad), dict(self.recent), {*names, REJECTIONS}
        for name in heeded | {earlier_part(name, step) for name in heeded for step in steps}:
            for counts in (bad, recent):
                if parts := [counts[part] for party in parties if (part := part_of(name, party)) in counts]:
                    counts[name] = _less_most(counts.get(name, {}), parts)
        return replace(self, bad=bad, recent=recent)

    def only(self, party: str, names: Collection[str], steps: Collection[int] = ()) -> "ArmEvidence":
        """The evidence as if nobody else had called, in these components and metrics alone. Only the canary's calls are
        counted by party, so stable's stay those of all."""
        heeded = {*names, REJECTIONS, CONVERSATIONS, *graded_beside(names)}
        parts = {name: part_of(name, party) for name in heeded | {earlier_part(n, s) for n in heeded for s in steps}}
        earlier = {earlier_part("", step): part_of(earlier_part("", step), party) for step in steps}
        scored = self.bad.get(part_of(SCORED, party), {})
        return replace(
            self,
            requests=self.requests_of.get(party, {}) if self.requests_of else self.requests,
            bad={name: self.bad[part] for name, part in parts.items() if part in self.bad},
            bad_units={name: self.bad_units[part] for name, part in parts.items() if part in self.bad_units},
            samples={name: self.samples[part] for name, part in parts.items() if part in self.samples},
            scored={index: count // WHOLE for index, count in scored.items()},
            checks={name: self.checks.get(part_of(name, party), 0) for name in self.checks if _OF_PARTY not in name},
            recent={name: self.recent.get(part_of(name, party), {}) for name in self.recent if _OF_PARTY not in name},
            requests_of={name: self.requests_of.get(part, {}) for name, part in earlier.items()},
        )

    def _earlier_requests_without(self, party: str, steps: Iterable[int]) -> dict[str, SlotCounts]:
        parts = {earlier_part("", step): self.requests_of.get(earlier_part("", step), {}) for step in steps}
        return {name: _minus(calls, self.requests_of.get(part_of(name, party), {})) for name, calls in parts.items()}


@dataclass(frozen=True)  # without slots, for the clock is kept
class Evidence:
    """Both arms of the running step. `weight` is the canary's share in 0…1, `minute` how long the step has run.

    `step` counts the rollout's steps of evidence from 1, `offset` the minutes that the earlier ones took, and `banked`
    is what their components are worth, by guardrail text. `callers` and `users` were seen within the last hour, in this
    step or before it, and `observed_seconds` says for how long the agent's callers have been watched. `earlier` maps
    the earlier steps whose units are evidence to the weights that have drawn their arms.
    """

    weight: float
    canary: ArmEvidence = field(default_factory=ArmEvidence)
    stable: ArmEvidence = field(default_factory=ArmEvidence)
    minute: int = 0
    step: int = 1
    offset: int = 0
    banked: Mapping[str, float] = field(default_factory=dict)
    control_unseen_seconds: float = 0.0
    callers: int = 0
    users: int = 0
    observed_seconds: float = 0.0
    earlier: Mapping[int, float] = field(default_factory=dict)

    @cached_property
    def clock(self) -> StepClock:
        """The time of the step. A count from a replica whose clock is ahead opens its slot for all."""
        latest = max((*self.canary.requests, *self.stable.requests), default=0)
        return StepClock(max(self.minute, first_minute(latest)), self.offset)

    def parties(self, names: Collection[str]) -> list[str]:
        """The parties that may prove nothing alone, by these components and metrics of the canary.

        A party is a caller, or a user of the only caller. One that was alone for as long as the agent's callers have
        been watched, and not only for a moment, is believed: there is nobody else who could show it.
        """
        watched = self.observed_seconds >= LONE_SECONDS
        alone = {kind for kind, seen in ((CALLER, self.callers), (USER, self.users)) if watched and seen <= 1}
        parts = {*names, *(earlier_part(name, step) for name in names for step in self.earlier)}
        return [party for party in self.canary.parties(parts) if party[0] not in alone]

    def shield(self, names: Collection[str]) -> tuple[str | None, int]:
        """The party with most of stable's bad units, by these components, and how many parties have a part in any."""
        parts = {*names, *(earlier_part(name, step) for name in names for step in self.earlier)}
        stable = self.stable.parties(parts)
        return next(iter(stable), None), len({*stable, *self.canary.parties(parts)})

    def without(self, party: str, names: Collection[str]) -> "Evidence":
        """The evidence as if that party had not called the agent, in these components and metrics alone."""
        canary, stable = (arm.without(party, names, self.earlier) for arm in (self.canary, self.stable))
        return replace(self, canary=canary, stable=stable)

    def for_names(self, names: Collection[str]) -> "Evidence":
        """The evidence with nothing but what these components and metrics are read from."""
        canary, stable = (arm.for_names(names, self.earlier) for arm in (self.canary, self.stable))
        return replace(self, canary=canary, stable=stable)

    def less_most(self, parties: Collection[str], names: Collection[str]) -> "Evidence":
        """Evidence that speaks less against the canary than that without any one of these parties (not of means)."""
        return replace(self, canary=self.canary.less_most(parties, names, self.earlier))

    def only(self, party: str, names: Collection[str]) -> "Evidence":
        """The evidence as if nobody else had called the agent, in these components and metrics alone."""
        canary, stable = (arm.only(party, names, self.earlier) for arm in (self.canary, self.stable))
        return replace(self, canary=canary, stable=stable)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Evidence":
        """The evidence of an audit event, so that anyone can compute its e-values again."""
        names = {each.name for each in fields(cls)} - {"canary", "stable"}
        plain = {name: record[name] for name in names if name in record}
        canary, stable = ArmEvidence.from_record(record["canary"]), ArmEvidence.from_record(record["stable"])
        earlier = {int(step): weight for step, weight in record.get("earlier", {}).items()}
        return cls(canary=canary, stable=stable, **{**plain, "earlier": earlier})


def _sample(sums: Mapping[str, Any]) -> Sample:
    return Sample(**{**sums, "bins": tuple((total, n) for total, n in sums["bins"])})


def _minus(counts: SlotCounts, part: SlotCounts) -> SlotCounts:
    return {index: count - part.get(index, 0) for index, count in counts.items()} if part else counts


def _less_most(counts: SlotCounts, parts: Sequence[SlotCounts]) -> dict[int, int]:
    """The counts, so that those from any slot on are the whole's without the most that any part has from there on."""
    sums, most, less = [0] * len(parts), 0, dict(counts)
    for index in sorted(counts, reverse=True):
        before = most
        for number, part in enumerate(parts):
            sums[number] += part.get(index, 0)
        most = max(sums)
        less[index] -= most - before
    return less


def _slots(counts: Mapping[str, int]) -> dict[int, int]:
    return {int(index): count for index, count in counts.items()}
