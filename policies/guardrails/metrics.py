"""The registry of metrics: all that guardrails can limit, and all that the rest must know of each.

A metric is a badness: more is worse. The grammar, the thresholds, the assessment, the recorder, the simulated worlds
and the status page read this registry; none of them knows a metric by its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from policies.behaviours.behaviours import BEHAVIOURS, OF_CONVERSATIONS
from policies.evidence.evidence import ERRORS, GRADED_QUALITY, QUALITY, REJECTIONS, ArmEvidence, Population
from policies.evidence.turns import MARKS

Measure = Literal["latency", "ttft"]
Amount = Literal["cost", "tokens"]
Unit = Literal["share", "seconds", "usd", "tokens", "calls"]

ERROR_FLOOR = 0.005  # a share of failing units that nobody rolls back for
_PERCENTILES = (50, 75, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class SimulatedBehaviour:
    """Behaviour of one version in a simulated world: the shares of units that fail and that the provider rejects, the
    mean score of the others, and the factors on its latency and on its cost. `misbehaviour` is the share of units that
    show any one of the behaviours, such as `truncated`, `turns` the mean number of calls of a conversation."""

    errors: float = 0.01
    rejections: float = 0.01
    quality: float = 0.9
    latency: float = 1.0
    cost: float = 1.0
    misbehaviour: float = 0.002
    turns: float = 3.0


@dataclass(frozen=True, slots=True)
class Kind:
    """Metrics that share one part of the family. `share` is that part; below the rate `floor` a ratio alone proves
    nothing."""

    name: str
    share: float
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """The share of units that are bad under one component; an absolute limit is written in percent.

    `population` names what might have been bad. `observed` counts what people are shown, where that is not the bad
    units. `simulated` gives the share of bad units in a simulated world. With `once` later bad calls of a unit are no
    events of their own. `by_judge` marks verdicts of a judge, which grades as many units of either arm, whatever the
    weight is; no simulated world has a judge.
    """

    component: str
    simulated: Callable[[SimulatedBehaviour], float]
    population: Population = "judged calls"
    observed: Callable[[ArmEvidence], int] | None = None
    once: bool = False
    by_judge: bool = False


@dataclass(frozen=True, slots=True)
class SlowCalls:
    """The share of calls that are slower than a quantile of stable; an absolute limit is written in `ms` or `s`.

    `measure` names the duration that the recorder takes and the histogram of the tally. `simulated` gives the factor on
    the median duration in a simulated world.
    """

    measure: Measure
    quantile: float
    simulated: Callable[[SimulatedBehaviour], float]


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of an amount over good calls, scaled to stable's cap; it is compared with stable only.

    `amount` names the number that the recorder takes and the histogram of the tally. `simulated` gives the factor on
    the amount in a simulated world; metrics with the same function are drawn together.
    """

    amount: Amount
    simulated: Callable[[SimulatedBehaviour], float]


@dataclass(frozen=True, slots=True)
class Turns:
    """The calls that a conversation takes; it is compared with stable only.

    Each of `marks` is an event of its own: a conversation reaches that number of calls at most once. `simulated` gives
    the mean number in a simulated world.
    """

    marks: tuple[int, ...]
    simulated: Callable[[SimulatedBehaviour], float]


Reading = Events | SlowCalls | Mean | Turns


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name in a guardrail, the kind whose share it takes part in, and how it is read."""

    name: str
    kind: Kind
    reading: Reading

    def __post_init__(self) -> None:
        if not isinstance(self.reading, Reading):
            raise TypeError(f"unknown reading {self.reading!r} of {self.name}; use Events, SlowCalls, Mean or Turns")

    @property
    def unit(self) -> Unit:
        """The unit in which people read the metric."""
        if isinstance(self.reading, Events):
            return "share"
        if isinstance(self.reading, SlowCalls):
            return "seconds"
        if isinstance(self.reading, Turns):
            return "calls"
        return "usd" if self.reading.amount == "cost" else "tokens"


def _failing(version: SimulatedBehaviour) -> float:
    return version.errors


def _rejected(version: SimulatedBehaviour) -> float:
    return version.rejections


def _low_quality(version: SimulatedBehaviour) -> float:
    return 1 - version.quality


def _slowness(version: SimulatedBehaviour) -> float:
    return version.latency


def _dearness(version: SimulatedBehaviour) -> float:
    return version.cost


def _misbehaving(version: SimulatedBehaviour) -> float:
    return version.misbehaviour


def _lengthy(version: SimulatedBehaviour) -> float:
    return version.turns


def _failed_calls(arm: ArmEvidence) -> int:
    return arm.errors


_LATENCY = Kind("latency", share=0.12)
_COST = Kind("cost", share=0.12)

ERROR_RATE = Metric(
    "error_rate", Kind("errors", share=0.4, floor=ERROR_FLOOR), Events(ERRORS, _failing, observed=_failed_calls)
)
REJECTION_RATE = Metric(
    "rejection_rate",
    Kind("rejections", share=0.12, floor=0.005),
    Events(REJECTIONS, _rejected, population="judged and rejected calls"),
)
_SLOW = tuple(
    Metric(f"{measure}_p{percentile}", _LATENCY, SlowCalls(measure, percentile / 100, _slowness))
    for measure in ("latency", "ttft")
    for percentile in _PERCENTILES
)
_MEANS = (
    Metric("cost", _COST, Mean("cost", _dearness)),
    Metric("tokens", _COST, Mean("tokens", _dearness)),
)
LOW_QUALITY = Metric(
    "low_quality", Kind("quality", share=0.12, floor=0.02), Events(QUALITY, _low_quality, population="scored units")
)
JUDGED_QUALITY = Metric(
    "judge_low_quality",
    Kind("judge", share=0.12, floor=0.02),
    Events(GRADED_QUALITY, _low_quality, population="graded units", once=True, by_judge=True),
)

_BEHAVIOUR = Kind("behaviour", share=0.12, floor=0.005)
_BEHAVIOURS = tuple(
    Metric(name, _BEHAVIOUR, Events(name, _misbehaving, once=name in OF_CONVERSATIONS)) for name in BEHAVIOURS
)
TURNS = Metric("turns", _BEHAVIOUR, Turns(MARKS, _lengthy))

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (ERROR_RATE, REJECTION_RATE, *_SLOW, *_MEANS, LOW_QUALITY, JUDGED_QUALITY, *_BEHAVIOURS, TURNS)
}
MEANS: Mapping[str, Mean] = {
    metric.name: metric.reading for metric in METRICS.values() if isinstance(metric.reading, Mean)
}
SCORED_COMPONENTS = frozenset(
    metric.reading.component
    for metric in METRICS.values()
    if isinstance(metric.reading, Events) and metric.reading.population == "scored units"
)
