"""Thresholds of slow and expensive calls, frozen from stable, so that they do not move during a step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from policies.behaviours.behaviours import BEHAVIOURS
from policies.evidence.tally import Tally, quantile
from policies.guardrails.grammar import Guardrail
from policies.guardrails.metrics import MEANS, Measure, Turns

MIN_CALLS = 500  # of stable's, before a threshold is taken from them
CAP_QUANTILE = 0.99  # beyond it cost and tokens are cut off: a mean must not hang on one call
ROOM = 2.0  # times the median
OUTDATED = 1.5  # times: so far off, a threshold was taken in an outage, or before one
SCALE = 10_000  # what stable's cap counts as; integers, so that sums merge exactly


@dataclass(frozen=True, slots=True)
class SlowThreshold:
    """A call of over `seconds` is bad under `component`. `is_limit` is set where a guardrail names that time itself."""

    component: str
    measure: Measure
    seconds: float
    is_limit: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Brings an amount (nano-USD, tokens) to units of stable's cap / `SCALE`, cut off at `most` of them."""

    cap: float
    most: int

    def scaled(self, amount: int) -> int:
        return min(round(amount / self.cap * SCALE), self.most)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds for one arm's calls. `scales` is keyed by metric. `limits` are the slow ones that guardrails name.

    `behaviours` are those that a guardrail or signal watches, `limited` those of them with an absolute limit.
    `has_turns` says that one watches the turns of conversations.
    """

    slow: tuple[SlowThreshold, ...] = ()
    scales: Mapping[str, Scale] = field(default_factory=dict)
    limits: tuple[SlowThreshold, ...] = ()
    behaviours: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()
    has_turns: bool = False


def freeze(stable: Tally, guardrails: Iterable[Guardrail]) -> dict[str, float] | None:
    """The thresholds that these guardrails need, by name; None while stable has served too few calls to tell."""
    if sum(stable.latency.values()) < MIN_CALLS:
        return None
    frozen: dict[str, float] = {}
    for guardrail in guardrails:
        for slow in guardrail.slow:
            if slow.seconds is None:
                _put(frozen, slow.frozen_name, quantile(getattr(stable, slow.measure), slow.quantile))
    for name, mean in MEANS.items():
        _put(frozen, name, _cap(getattr(stable, mean.amount)))
    return frozen


def outdated(frozen: Mapping[str, float], stable: Tally, guardrails: Iterable[Guardrail]) -> tuple[str, ...]:
    """Return which frozen durations are far from what stable shows over the whole rollout, in words.

    Both arms are held to the same threshold, so nothing is proven wrongly. But where nearly all calls or nearly none
    are beyond it, a slower canary shows late.
    """
    fresh = freeze(stable, guardrails) or {}
    measures = {slow.frozen_name: slow for guardrail in guardrails for slow in guardrail.slow if slow.seconds is None}
    return tuple(
        f"note: the threshold of {slow.measure} (p{100 * slow.quantile:g}) was taken at {frozen[name]:.3g} s, and "
        f"stable now has {fresh[name]:.3g} s; slow calls show late until the next step takes a new one"
        for name, slow in measures.items()
        if name in frozen and name in fresh and not 1 / OUTDATED <= frozen[name] / fresh[name] <= OUTDATED
    )


def _cap(amounts: Mapping[int, int]) -> float | None:
    """Return the amount at which amounts are cut off.

    There is room above the usual amount, or calls that all cost alike could not get more expensive.
    """
    usual, high = quantile(amounts, 0.5), quantile(amounts, CAP_QUANTILE)
    return None if usual is None or high is None else max(high, ROOM * usual)


def arm_thresholds(guardrails: Iterable[Guardrail], frozen: Mapping[str, float], *, canary: bool = False) -> Thresholds:
    """Return the thresholds of one arm: the canary is granted each guardrail's margin, stable is not."""
    slow_thresholds: dict[str, SlowThreshold] = {}
    scales: dict[str, Scale] = {}
    watched = tuple(guardrails)
    for guardrail in watched:
        for slow in guardrail.slow:
            threshold = slow.seconds if slow.seconds is not None else frozen.get(slow.frozen_name)
            if threshold is not None:
                slow_thresholds[slow.component] = SlowThreshold(
                    slow.component,
                    slow.measure,
                    threshold * (slow.factor if canary else 1.0),
                    slow.seconds is not None,
                )
        name = guardrail.metric.name
        if guardrail.is_mean and (cap := frozen.get(name)):
            most = round(SCALE * (guardrail.limit if canary else 1.0))
            # Two guardrails on one metric share its sums: the lower cut-off favours the canary, so neither is misled.
            scales[name] = Scale(cap, min(most, scales.get(name, Scale(cap, most)).most))
    thresholds = tuple(slow_thresholds.values())
    limits = tuple(each for each in thresholds if each.is_limit)
    has_turns = any(isinstance(guardrail.metric.reading, Turns) for guardrail in watched)
    return Thresholds(thresholds, scales, limits, _behaviours(watched), limited_behaviours(watched), has_turns)


def limited_behaviours(guardrails: Iterable[Guardrail]) -> tuple[str, ...]:
    """Return the behaviours with an absolute limit, which are watched without a control, too."""
    return _behaviours(guardrail for guardrail in guardrails if not guardrail.relative)


def _behaviours(guardrails: Iterable[Guardrail]) -> tuple[str, ...]:
    names = dict.fromkeys(guardrail.metric.name for guardrail in guardrails)
    return tuple(name for name in names if name in BEHAVIOURS)


def _put(frozen: dict[str, float], name: str, value: float | None) -> None:
    if value:
        frozen[name] = value
