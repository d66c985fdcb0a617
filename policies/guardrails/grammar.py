"""The closed grammar in which guardrails and signals are written.

    error_rate  <= stable * 1.25     a ratio: the canary may be at most 1.25 times as bad as stable
    latency_p90 <= stable * 1.10     the canary may be at most 10 % slower
    truncated   <= stable * 1.5      the canary's answers may be cut off at most 1.5 times as often as stable's
    judge_low_quality <= stable * 1.2 by 0f3a…   the judge of that digest; whoever loads a configuration adds it
    error_rate  <= 20%               an absolute guard, for when no control is left

A rejection is a request that the provider refuses to serve, most often with a 4xx. Callers cause most of them, and they
fall on both arms by weight; what is beyond that is the version's doing.

Every metric is a badness, so there is one direction only.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from policies.evidence.evidence import REPEATS, Population, checked, of_judge, repeated
from policies.evidence.turns import reached
from policies.guardrails.metrics import METRICS, Events, Mean, Measure, Metric, SlowCalls, Turns

ALPHA = 0.01  # the probability that an identical canary is ever rolled back, over the whole rollout
THRESHOLD = 1 / ALPHA
ABSOLUTE_THRESHOLD = 1e4  # the absolute guard may have no control to lean on, so it wants stronger proof
MAX_LIMIT = 0.99  # an absolute limit nearer to 100 % leaves no room for a bet

DEFAULT_GUARDRAILS = (
    "error_rate <= stable * 1.25",
    "rejection_rate <= stable * 2",
    "latency_p90 <= stable * 1.10",
    "cost <= stable * 1.05",
    "low_quality <= stable * 1.20",
    "bad_tools <= stable * 1.5",
    "off_schema <= stable * 1.5",
    "truncated <= stable * 1.5",
    "empty <= stable * 1.5",
    "error_rate <= 20%",
)

_FIRST_PART = 0.9  # of a guardrail's e-value, for a unit's first bad call; the 4th and the 16th share the rest

_UNITS = {"": 1.0, "%": 0.01, "ms": 0.001, "s": 1.0}

_GRAMMAR = re.compile(
    r"(?P<metric>[a-z_0-9]+)\s*<=\s*(?:(?P<stable>stable)\s*\*\s*)?(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|ms|s|)"
    r"(?: by (?P<judge>[0-9a-f]{12}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Slow:
    """A component of slow calls. Slow is a call over `factor` (the canary's) times a threshold: stable's quantile,
    frozen at the start of the step, or `seconds` where the guard is absolute."""

    component: str
    measure: Measure
    quantile: float
    factor: float
    seconds: float | None = None

    @property
    def frozen_name(self) -> str:
        """The name under which the record keeps the frozen threshold."""
        return f"{self.measure}:{self.quantile:g}"


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """An event that a unit has at most once: it is bad under a component for the `times`-th time.

    `part` is the event's share of the guardrail's e-value.
    """

    component: str
    times: int
    part: float

    @property
    def name(self) -> str:
        """The name under which the evidence counts the event."""
        return repeated(self.component, self.times)


@dataclass(frozen=True)  # without slots: what follows from a guardrail is asked for thousands of times, and kept
class Guardrail:
    """A parsed guardrail. `limit` is a ratio to stable's when `relative`; else a rate in 0…1, or seconds.

    `judge` is the digest of the judge whose verdicts count, where the metric is a judge's.
    """

    text: str
    metric: Metric
    relative: bool
    limit: float
    judge: str = ""

    @cached_property
    def is_mean(self) -> bool:
        """Return whether the guardrail compares means; all others count bad units."""
        return isinstance(self.metric.reading, Mean)

    @cached_property
    def by_judge(self) -> bool:
        """Return whether the guardrail counts verdicts of a judge."""
        reading = self.metric.reading
        return isinstance(reading, Events) and reading.by_judge

    @cached_property
    def population(self) -> Population:
        """The calls or units that the guardrail counts."""
        reading = self.metric.reading
        if isinstance(reading, Turns):
            return "conversations"
        return reading.population if isinstance(reading, Events) else "judged calls"

    @cached_property
    def threshold(self) -> float:
        """The e-value at which a breach is proven; a relative one's counts with its share of the family."""
        return THRESHOLD if self.relative else ABSOLUTE_THRESHOLD

    @cached_property
    def slow(self) -> tuple[Slow, ...]:
        """Return when a call is slow for this guardrail: at the quantile it names and, when relative, at p75 too."""
        reading = self.metric.reading
        if not isinstance(reading, SlowCalls):
            return ()
        quantiles = sorted({0.75, reading.quantile}) if self.relative else [reading.quantile]
        return tuple(
            Slow(
                component=f"{self.metric.name}:{quantile:g}:{self.limit:g}{'' if self.relative else 's'}",
                measure=reading.measure,
                quantile=quantile,
                factor=self.limit if self.relative else 1.0,
                seconds=None if self.relative else self.limit,
            )
            for quantile in quantiles
        )

    @cached_property
    def tolerated(self) -> float:
        """The factor on stable's rate of bad events that the canary may have. Latency's margin is in the threshold."""
        return self.limit if self.relative and not isinstance(self.metric.reading, SlowCalls) else 1.0

    @cached_property
    def components(self) -> tuple[str, ...]:
        """The kinds of bad events that this guardrail counts; none for a mean."""
        reading = self.metric.reading
        if isinstance(reading, Turns):
            return tuple(map(reached, reading.marks))
        if not isinstance(reading, Events):
            return tuple(slow.component for slow in self.slow)
        return (of_judge(reading.component, self.judge) if reading.by_judge else reading.component,)

    @cached_property
    def events(self) -> tuple[CountedEvent, ...]:
        """The events by which units are compared: the first bad call of each, and later ones of long conversations.

        A unit is scored once, so scores have no later ones; nor has what a conversation shows or reaches once.
        """
        whole, reading = 1.0 / max(len(self.components), 1), self.metric.reading
        if self.population in ("scored units", "conversations") or (isinstance(reading, Events) and reading.once):
            return tuple(CountedEvent(component, 1, whole) for component in self.components)
        parts = {1: _FIRST_PART, **dict.fromkeys(REPEATS, (1 - _FIRST_PART) / len(REPEATS))}
        return tuple(
            CountedEvent(component, times, whole * part)
            for component in self.components
            for times, part in parts.items()
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names under which the evidence counts what this guardrail reads: its events, or its sample."""
        looks = () if self.relative else tuple(map(checked, self.components))
        return (*(event.name for event in self.events), *looks) or (self.metric.name,)


def parse(text: str) -> Guardrail:
    """Read one guardrail. Raises ValueError with the way out."""
    match = _GRAMMAR.fullmatch(text.strip())
    if match is None:
        examples = " or ".join(repr(example) for example in (DEFAULT_GUARDRAILS[0], DEFAULT_GUARDRAILS[-1]))
        raise ValueError(f"cannot read guardrail {text!r}; write {examples}")
    metric = METRICS.get(match["metric"])
    if metric is None:
        raise ValueError(f"unknown metric {match['metric']!r} in {text!r}; known: {', '.join(METRICS)}")
    limit = float(match["number"]) * _UNITS[match["unit"]]
    guardrail = Guardrail(" ".join(text.split()), metric, match["stable"] is not None, limit, match["judge"] or "")
    _check(guardrail, match["unit"])
    return guardrail


def _check(guardrail: Guardrail, unit: str) -> None:
    text, limit = guardrail.text, guardrail.limit
    if guardrail.judge and not guardrail.by_judge:
        raise ValueError(f"{guardrail.metric.name} in {text!r} is no judge's; leave `by {guardrail.judge}` out")
    if guardrail.relative:
        if unit or not 1.0 <= limit <= 100.0:
            raise ValueError(f"the factor in {text!r} must be between 1 and 100, such as 1.25")
        return
    name = guardrail.metric.name
    if guardrail.is_mean or guardrail.by_judge or isinstance(guardrail.metric.reading, Turns):
        way_out = f"{name} <= stable * {1.05 if guardrail.is_mean else 1.5}"
        raise ValueError(f"{name} is compared with stable only: write {way_out!r}")
    if guardrail.slow:
        if unit not in ("ms", "s") or not 0.0 < limit <= 3600.0:
            raise ValueError(f"the limit in {text!r} must be a time up to 3600s, such as 2s or 800ms")
        return
    if unit != "%" or not 0.0 < limit <= MAX_LIMIT:
        raise ValueError(f"the limit in {text!r} must be above 0% and at most 99%, such as 20%")
