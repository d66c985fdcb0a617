"""What a rollout's steps know about their two arms: the integers that a decision is made from.

`bad` counts, per component and slot of the step (`policies.statistics.restarts`), the units that were bad for the first
time: a sticky unit fails as a whole, so it counts once a step. A component is one kind of bad event, such as `errors`;
`policies.guardrails.metrics` lists them. Quality is fractional, so units are counted in millionths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from policies.statistics.means import Sample
from policies.statistics.restarts import StepClock, first_minute

WHOLE = 1_000_000  # one unit that was entirely bad
ERRORS = "errors"  # calls that failed by the version's doing
QUALITY = "quality"  # scored units, each as bad as its score is low
REJECTIONS = "rejections"  # requests that the provider refused to serve, whoever caused it
CALLERS = "callers"  # counts, on stable alone, the distinct callers of both arms; none where there can be only one
LONE_MINUTES = 5  # of a step in which one caller alone was seen: then there is nobody else
SCORED = "scored"  # counts, beside the bad ones, every unit that was scored: what low quality is a share of

CALLER_BINS = 1024  # of the caller's hash: two callers in one bin count as one, which only makes a proof harder

SlotCounts = Mapping[int, int]
Population = Literal["judged calls", "judged and rejected calls", "scored units"]  # what might have been bad

_OF_CALLER = "@"  # between a component and the bin of the callers whose units it counts


def rejections_of(caller_bin: int) -> str:
    """The component that counts the rejected units of the callers in that bin."""
    return f"{REJECTIONS}{_OF_CALLER}{caller_bin}"


@dataclass(frozen=True, slots=True)
class ArmEvidence:
    """One arm in one step.

    `requests` and `errors` are judged calls, by slot for `requests`; `scored` the units that got a score, by slot;
    `units` distinct units, counted only as far as promotion asks for them; `samples` the sums of `cost` and `tokens`,
    scaled to their cap.
    """

    requests: SlotCounts = field(default_factory=dict)
    errors: int = 0
    units: int = 0
    bad: Mapping[str, SlotCounts] = field(default_factory=dict)
    bad_units: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)
    scored: SlotCounts = field(default_factory=dict)

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
        )

    @property
    def calls(self) -> int:
        return sum(self.requests.values())

    def badness(self, component: str) -> float:
        """Summed badness of a component, in units."""
        return sum(self.bad.get(component, {}).values()) / WHOLE

    def trials(self, population: Population) -> SlotCounts:
        """The size of a population by slot: few calls get a score, so those are counted apart, and a rejected call is
        no judged one."""
        if population == "judged and rejected calls":
            rejected = self.bad.get(REJECTIONS, {})
            slots = {*self.requests, *rejected}
            return {index: self.requests.get(index, 0) + rejected.get(index, 0) // WHOLE for index in slots}
        return self.scored if population == "scored units" else self.requests

    def largest_of_one_caller(self, component: str) -> int:
        """The bad units, under a component, of the caller who has the most of them."""
        named = ((*name.partition(_OF_CALLER), units) for name, units in self.bad_units.items())
        return max((units for whole, _, caller_bin, units in named if whole == component and caller_bin), default=0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both arms of the running step. `weight` is the canary's share in 0…1, `minute` how long the step has run.

    `step` counts the rollout's steps of evidence from 1, `offset` the minutes that the earlier ones took, and `banked`
    is what their components are worth, by guardrail text.
    """

    weight: float
    canary: ArmEvidence = field(default_factory=ArmEvidence)
    stable: ArmEvidence = field(default_factory=ArmEvidence)
    minute: int = 0
    step: int = 1
    offset: int = 0
    banked: Mapping[str, float] = field(default_factory=dict)
    control_unseen_seconds: float = 0.0

    @property
    def clock(self) -> StepClock:
        """The time of the step. A count from a replica whose clock is ahead opens its slot for all."""
        latest = max((*self.canary.requests, *self.stable.requests), default=0)
        return StepClock(max(self.minute, first_minute(latest)), self.offset)

    def units_of_many_callers(self, component: str) -> int:
        """The canary's distinct bad units under a component that callers can cause, as far as they prove anything.

        No caller's are more than all others' together, unless nobody else calls the agent: a caller's
        own mistakes, on units chosen for it, prove nothing alone. Where others might call, nobody has to have done so
        for some minutes.
        """
        units, callers = self.canary.bad_units.get(component, 0), self.stable.bad_units.get(CALLERS, 0)
        is_alone = callers == 0 or (callers == 1 and self.minute >= LONE_MINUTES)
        if is_alone:
            return units
        return min(units, 2 * (units - self.canary.largest_of_one_caller(component)))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Evidence":
        """The evidence of an audit event, so that anyone can compute its e-values again."""
        plain = {name: record[name] for name in cls.__slots__ if name not in ("canary", "stable")}
        canary, stable = ArmEvidence.from_record(record["canary"]), ArmEvidence.from_record(record["stable"])
        return cls(canary=canary, stable=stable, **plain)


def _sample(sums: Mapping[str, Any]) -> Sample:
    return Sample(**{**sums, "bins": tuple((total, n) for total, n in sums["bins"])})


def _slots(counts: Mapping[str, int]) -> dict[int, int]:
    return {int(index): count for index, count in counts.items()}
