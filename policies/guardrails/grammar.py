"""The closed grammar in which guardrails and signals are written.

    error_rate  <= stable * 1.25     a ratio: the canary may be at most 1.25 times as bad as stable
    latency_p90 <= stable * 1.10     the canary may be at most 10 % slower
    error_rate  <= 20%               an absolute guard, for when no control is left

A rejection is a request that the provider refuses to serve, most often with a 4xx. Callers cause most of them, and they
fall on both arms by weight; what is beyond that is the version's doing.

Every metric is a badness, so there is one direction only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["errors", "rejections", "latency", "cost", "quality"]
Measure = Literal["latency", "ttft"]

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
    "error_rate <= 20%",
)

_QUANTILES = (50, 75, 90, 95, 99)
METRICS = (
    "error_rate",
    "rejection_rate",
    *(f"{measure}_p{percentile}" for measure in ("latency", "ttft") for percentile in _QUANTILES),
    "cost",
    "tokens",
    "low_quality",
)
_KINDS: Mapping[str, Kind] = {
    "error_rate": "errors", "rejection_rate": "rejections", "cost": "cost", "tokens": "cost", "low_quality": "quality",
}  # fmt: skip
_UNITS = {"": 1.0, "%": 0.01, "ms": 0.001, "s": 1.0}

_GRAMMAR = re.compile(
    r"(?P<metric>[a-z_0-9]+)\s*<=\s*(?:(?P<stable>stable)\s*\*\s*)?(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|ms|s|)",
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
        """Under which name the record keeps the frozen threshold."""
        return f"{self.measure}:{self.quantile:g}"


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One parsed guardrail. `limit` is a ratio to stable's when `relative`; else a rate in 0…1, or seconds."""

    text: str
    metric: str
    relative: bool
    limit: float

    @property
    def kind(self) -> Kind:
        return _KINDS.get(self.metric, "latency")

    @property
    def threshold(self) -> float:
        """The e-value at which a breach is proven; a relative one's counts with its share of the family."""
        return THRESHOLD if self.relative else ABSOLUTE_THRESHOLD

    @property
    def slow(self) -> tuple[Slow, ...]:
        """What makes a call slow for this guardrail: at the quantile it names and, when relative, at p75 too."""
        if self.kind != "latency":
            return ()
        measure, _, percentile = self.metric.partition("_p")
        named = int(percentile) / 100
        quantiles = sorted({0.75, named}) if self.relative else [named]
        return tuple(
            Slow(
                component=f"{self.metric}:{quantile:g}:{self.limit:g}{'' if self.relative else 's'}",
                measure="latency" if measure == "latency" else "ttft",
                quantile=quantile,
                factor=self.limit if self.relative else 1.0,
                seconds=None if self.relative else self.limit,
            )
            for quantile in quantiles
        )

    @property
    def tolerated(self) -> float:
        """How many times stable's rate of bad events the canary may have. Latency's margin is in the threshold."""
        return self.limit if self.relative and self.kind != "latency" else 1.0

    @property
    def components(self) -> tuple[str, ...]:
        """The kinds of bad events that this guardrail counts; none for a mean."""
        if self.metric in ("cost", "tokens"):
            return ()
        return tuple(slow.component for slow in self.slow) or (self.kind,)


def parse(text: str) -> Guardrail:
    """Read one guardrail. Raises ValueError with the way out."""
    match = _GRAMMAR.fullmatch(text.strip())
    if match is None:
        examples = " or ".join(repr(example) for example in (DEFAULT_GUARDRAILS[0], DEFAULT_GUARDRAILS[-1]))
        raise ValueError(f"cannot read guardrail {text!r}; write {examples}")
    if match["metric"] not in METRICS:
        raise ValueError(f"unknown metric {match['metric']!r} in {text!r}; known: {', '.join(METRICS)}")
    limit = float(match["number"]) * _UNITS[match["unit"]]
    guardrail = Guardrail(" ".join(text.split()), match["metric"], match["stable"] is not None, limit)
    _check(guardrail, match["unit"])
    return guardrail


def _check(guardrail: Guardrail, unit: str) -> None:
    text, limit = guardrail.text, guardrail.limit
    if guardrail.relative:
        if unit or not 1.0 <= limit <= 100.0:
            raise ValueError(f"the factor in {text!r} must be between 1 and 100, such as 1.25")
        return
    if guardrail.kind == "cost":
        way_out = f"{guardrail.metric} <= stable * 1.05"
        raise ValueError(f"{guardrail.metric} is compared with stable only: write {way_out!r}")
    if guardrail.kind == "latency":
        if unit not in ("ms", "s") or not 0.0 < limit <= 3600.0:
            raise ValueError(f"the limit in {text!r} must be a time up to 3600s, such as 2s or 800ms")
        return
    if unit != "%" or not 0.0 < limit <= MAX_LIMIT:
        raise ValueError(f"the limit in {text!r} must be above 0% and at most 99%, such as 20%")
