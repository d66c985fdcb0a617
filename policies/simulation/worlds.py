"""Random events of a step: two versions' behaviour, and the bad units and costs that follow.

Only bad units are drawn one by one. Between two of the canary's the number of its good ones is geometric, and that of
stable's bad ones negative binomial.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Protocol

from policies.guardrails.grammar import Guardrail
from policies.guardrails.metrics import Mean, SimulatedBehaviour, SlowCalls, Turns
from policies.guardrails.thresholds import CAP_QUANTILE, MIN_CALLS, SCALE
from policies.statistics.means import BINS, Sample

COST_BATCH = BINS  # canary units between two looks at the means
_NORMAL = NormalDist()


class Chance(Protocol):
    """Used part of `random.Random`."""

    def random(self) -> float: ...
    def gauss(self, mu: float, sigma: float) -> float: ...
    def gammavariate(self, alpha: float, beta: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Phase:
    """Behaviour of both versions from the canary's request `start` on."""

    stable: SimulatedBehaviour = field(default_factory=SimulatedBehaviour)
    canary: SimulatedBehaviour = field(default_factory=SimulatedBehaviour)
    start: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """The traffic: calls per second over both arms, the canary's share, calls per unit, which fail or are slow in all
    of them or in none, the median latency in seconds, and how far latencies and costs spread: the standard deviations
    of their logarithms. At 0.7 most calls are cheap, and a few cost five times as much."""

    phases: tuple[Phase, ...] = (Phase(),)
    weight: float = 0.05
    rps: float = 50.0
    turns: int = 1
    median_seconds: float = 1.0
    latency_spread: float = 0.5
    cost_spread: float = 0.7

    def canary_calls(self, minute: float) -> int:
        """Return the number of calls that the canary got in the step's first minutes."""
        return int(minute * self.calls_per_minute)

    def minute(self, calls: int) -> int:
        """The minute of the step in which the canary's call of that number came."""
        return int(calls / self.calls_per_minute)

    @property
    def calls_per_minute(self) -> float:
        """The canary's."""
        return 60 * self.rps * self.weight

    @property
    def cap(self) -> float:
        """Stable's p99 of cost, in multiples of its median."""
        return math.exp(self.cost_spread * _NORMAL.inv_cdf(CAP_QUANTILE))


@dataclass(frozen=True, slots=True)
class Bad:
    """A bad unit of the canary: the components under which it is bad, and stable's bad units since the last. At the end
    of a phase there is no unit.
    """

    components: tuple[str, ...]
    canary: tuple[bool, ...]
    stable: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """Usage of a batch of units on either arm under these metrics, in units of stable's cap / SCALE."""

    metrics: tuple[str, ...]
    canary: Sample
    stable: Sample

    def merged(self, other: "Taken") -> "Taken":
        return Taken(self.metrics, self.canary.merged(other.canary), self.stable.merged(other.stable))


Happening = tuple[int, int, Bad | Taken]  # the canary's calls so far, the stream, what happened


@dataclass(frozen=True, slots=True)
class _Source:
    """A kind of bad unit. `rates` holds, by phase and component, the bad share of stable's units and of the canary's. A
    unit bad under a component is bad under all before it. `begins` is the first call counted.
    """

    components: tuple[str, ...]
    rates: tuple[tuple[tuple[float, float], ...], ...]
    begins: int = 0


@dataclass(frozen=True, slots=True)
class _Amount:
    """A kind of amount. `multiple` gives a version's factor on it; the canary's is cut off at `factor` times stable's
    cap.
    """

    metrics: tuple[str, ...]
    multiple: Callable[[SimulatedBehaviour], float]
    factor: float


def happenings(guardrails: Sequence[Guardrail], world: World, chance: Chance) -> Iterator[Happening]:
    """Yield all events that concern these guardrails, in the order of the canary's calls; endless."""
    sources = _sources(guardrails, world, chance)
    streams = [_bad_units(order, source, world, chance) for order, source in enumerate(sources)]
    for order, amount in enumerate(_guarded_amounts(guardrails), len(sources)):
        streams.append(_amounts(order, amount, world, chance))
    return heapq.merge(*streams, key=lambda happening: happening[:2])


def _sources(guardrails: Sequence[Guardrail], world: World, chance: Chance) -> list[_Source]:
    """Return one source for each set of components that is guarded."""
    drawn = [guardrail for guardrail in guardrails if guardrail.components and not guardrail.by_judge]
    by_components = {guardrail.components: guardrail for guardrail in drawn}
    return [_source(guardrail, world, chance) for guardrail in by_components.values()]


def _guarded_amounts(guardrails: Sequence[Guardrail]) -> Iterator[_Amount]:
    """Yield one amount for each function that finds a version's factor."""
    by_multiple: dict[Callable[[SimulatedBehaviour], float], dict[str, float]] = {}
    for guardrail in guardrails:
        reading, name = guardrail.metric.reading, guardrail.metric.name
        if isinstance(reading, Mean):
            limits = by_multiple.setdefault(reading.simulated, {})
            limits[name] = min(guardrail.limit, limits.get(name, guardrail.limit))
    for multiple, limits in by_multiple.items():
        yield _Amount(tuple(limits), multiple, min(limits.values()))


def _source(guardrail: Guardrail, world: World, chance: Chance) -> _Source:
    reading = guardrail.metric.reading
    simulated = reading.simulated
    if isinstance(reading, SlowCalls):
        return _slow_source(guardrail, simulated, world, chance)
    if isinstance(reading, Turns):
        rates = tuple(tuple(_reaching(mark, simulated, p) for mark in reading.marks) for p in world.phases)
        return _Source(guardrail.components, rates)
    return _Source(guardrail.components, tuple(((simulated(p.stable), simulated(p.canary)),) for p in world.phases))


def _reaching(mark: int, length: Callable[[SimulatedBehaviour], float], phase: Phase) -> tuple[float, float]:
    """Return the shares of stable's and of the canary's conversations that reach so many calls, if each call may be the
    last one."""
    stable, canary = ((1 - 1 / length(version)) ** (mark - 1) for version in (phase.stable, phase.canary))
    return stable, canary


def _slow_source(
    guardrail: Guardrail, slowness: Callable[[SimulatedBehaviour], float], world: World, chance: Chance
) -> _Source:
    """Relative thresholds come from stable's first calls, with the error that so few of them leave."""
    below = iter(_frozen([slow.quantile for slow in guardrail.slow], chance))
    usual = world.median_seconds * slowness(world.phases[0].stable)
    marks = [
        (slow.factor, slow.seconds or usual * math.exp(world.latency_spread * _NORMAL.inv_cdf(next(below))))
        for slow in guardrail.slow
    ]

    def share(seconds: float, behaviour: SimulatedBehaviour) -> float:
        usual = world.median_seconds * slowness(behaviour)
        return 1 - _NORMAL.cdf(math.log(seconds / usual) / world.latency_spread)

    rates = tuple(
        tuple((share(seconds, p.stable), share(seconds * factor, p.canary)) for factor, seconds in marks)
        for p in world.phases
    )
    return _Source(guardrail.components, rates, _frozen_after(world) if guardrail.relative else 0)


def _frozen(quantiles: Sequence[float], chance: Chance) -> list[float]:
    """Draw the share of stable's calls below each (rising) quantile of its first: spacings of order statistics."""
    below, reached = [0.0], 0.0
    for quantile in quantiles:
        under, over = (chance.gammavariate(MIN_CALLS * part, 1.0) for part in (quantile - reached, 1 - quantile))
        below.append(below[-1] + (1 - below[-1]) * under / (under + over))
        reached = quantile
    return below[1:]


def _frozen_after(world: World) -> int:
    """The canary's calls until stable has served enough to freeze thresholds."""
    return math.ceil(MIN_CALLS * world.weight / (1 - world.weight))


def _bad_units(order: int, source: _Source, world: World, chance: Chance) -> Iterator[Happening]:
    """The canary's bad units, in the order of its calls; a unit is bad from its first call on."""
    units, starts = source.begins // world.turns, [phase.start // world.turns for phase in world.phases]
    for rates, end in zip(source.rates, [*starts[1:], math.inf], strict=True):
        while math.isfinite(gap := _geometric(rates[0][1], chance)) and gap <= end - units:
            units += int(gap)
            yield (units - 1) * world.turns + 1, order, _bad(source, rates, (int(gap), 1), world, chance)
        if units < end < math.inf:
            yield int(end) * world.turns, order, _bad(source, rates, (int(end) - units, 0), world, chance)
            units = int(end)


def _bad(
    source: _Source, rates: tuple[tuple[float, float], ...], gap: tuple[int, int], world: World, chance: Chance
) -> Bad:
    """`gap` is the canary's units since the last bad one, and whether (1 or 0) the last of them is bad."""
    units, hit = gap
    stable, canary = rates[0]
    count = _poisson(chance.gammavariate(units, stable * (1 - world.weight) / world.weight), chance) if stable else 0
    lot = chance.random()
    return Bad(
        source.components,
        tuple(hit > 0 and lot * canary < other for _, other in rates),
        tuple(count if other == stable else _thinned(count, other / stable, chance) for other, _ in rates),
    )


def _thinned(count: int, share: float, chance: Chance) -> int:
    return sum(chance.random() < share for _ in range(count))


def _geometric(share: float, chance: Chance) -> float:
    """Draw the number of tries until one succeeds, itself included; infinite where none does."""
    if share <= 0.0:
        return math.inf
    return 1 if share >= 1.0 else 1 + math.floor(math.log1p(-chance.random()) / math.log1p(-share))


def _poisson(mean: float, chance: Chance) -> int:
    if mean > 50.0:
        return max(round(chance.gauss(mean, math.sqrt(mean))), 0)
    count, product, floor = 0, chance.random(), math.exp(-mean)
    while product > floor:
        count, product = count + 1, product * chance.random()
    return count


def _amounts(order: int, amount: _Amount, world: World, chance: Chance) -> Iterator[Happening]:
    """Yield the costs of calls. Stable's many are drawn as normal sums by bin; all calls of a unit cost the same."""
    units = _frozen_after(world) // world.turns
    while True:
        units += COST_BATCH
        phase = [phase for phase in world.phases if phase.start <= units * world.turns][-1]
        canary = _drawn(COST_BATCH, amount.multiple(phase.canary), amount.factor, world, chance)
        count = _poisson(chance.gammavariate(COST_BATCH, (1 - world.weight) / world.weight), chance)
        many, cost = count >= 4 * BINS, amount.multiple(phase.stable)
        stable = _summed(count // BINS, cost, world, chance) if many else _drawn(count, cost, 1.0, world, chance)
        yield units * world.turns, order, Taken(amount.metrics, canary, stable)


def _drawn(units: int, cost: float, factor: float, world: World, chance: Chance) -> Sample:
    """Units drawn one by one; values are cut off at `factor` times stable's cap."""
    bins, turns, cap = [[0.0, 0] for _ in range(BINS)], world.turns, world.cap
    total = squares = 0.0
    for _ in range(units):
        value = min(cost * math.exp(chance.gauss(0.0, world.cost_spread)) / cap, factor) * SCALE
        held = bins[int(chance.random() * BINS)]
        held[0] += value * turns
        held[1] += turns
        total, squares = total + value * turns, squares + value * value * turns
    return Sample(units * turns, total, squares, tuple((held[0], int(held[1])) for held in bins))


def _summed(units: int, cost: float, world: World, chance: Chance) -> Sample:
    """Draw many units for each bin at once: the sum of enough of them is nearly normal."""
    (first, second), turns = _moments(cost, world), world.turns
    spread = math.sqrt(units * (second - first * first))
    bins = tuple((turns * chance.gauss(units * first, spread), units * turns) for _ in range(BINS))
    n = units * turns * BINS
    return Sample(n, sum(total for total, _ in bins), n * second, bins)


def _moments(cost: float, world: World) -> tuple[float, float]:
    """Mean and mean square of a lognormal that is cut off at stable's cap, in its units / SCALE."""
    cap, spread = world.cap, world.cost_spread
    edge = math.log(cap / cost) / spread
    beyond = 1 - _NORMAL.cdf(edge)
    first, second = (
        (cost / cap) ** power * math.exp((power * spread) ** 2 / 2) * _NORMAL.cdf(edge - power * spread)
        for power in (1, 2)
    )
    return (first + beyond) * SCALE, (second + beyond) * SCALE**2
