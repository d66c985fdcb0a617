"""An event loop on paper: what comes in one turn is worked on in the next, at a price for each kind of work.

Clocks and processors have no part in it, so that every run counts the same.
"""

import heapq
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from gateway.errors import Overloaded
from gateway.overload.limiter import DelayLimiter
from gateway.overload.places import FairPlaces

BEGIN = END = 0.0005  # seconds of work, so that a thousand calls a second are all that it can do
SHED = 0.0001
CAPACITY = 1 / (BEGIN + END)
SAMPLE = 0.02


@dataclass(slots=True)
class Simulated:
    """Calls by caller, and seconds: of each turn in which there was work, of each shed call from its arrival."""

    asked: dict[str, int] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    shed: dict[str, int] = field(default_factory=dict)
    turns: list[float] = field(default_factory=list)
    shed_after: list[float] = field(default_factory=list)

    def share_served(self, caller: str) -> float:
        return self.served.get(caller, 0) / self.asked[caller]


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def simulate(
    rates: Mapping[str, float],
    seconds: float,
    latency: float,
    target: float = 0.025,
    settled: float = 0.0,
    joins: Mapping[str, float] | None = None,
) -> Simulated:
    """Let callers ask at those rates, of a provider that takes `latency`; what came after `settled` is counted.

    `joins` says when a caller comes that is not there from the beginning.
    """
    limiter, places = DelayLimiter(target), FairPlaces(100_000)
    places.follow(len(rates))
    places.guard = limiter.admits
    arrivals, found = _arrivals(rates, seconds, joins or {}), Simulated()
    came, answers = next(arrivals, None), list[tuple[float, float, str]]()
    now = turn = 0.0
    sample_at = SAMPLE
    while came is not None or answers:
        begun = now
        if now >= sample_at:
            limiter.see(max(now - sample_at, turn), now, places.shares)
            places.is_guarded = limiter.is_on
            sample_at = now + SAMPLE
        while came is not None and came[0] <= begun:
            at, caller = came
            came = next(arrivals, None)
            counts = at >= settled
            found.asked[caller] = found.asked.get(caller, 0) + counts
            try:
                places.of(caller).__enter__()
            except Overloaded:
                now += SHED
                found.shed[caller] = found.shed.get(caller, 0) + counts
                found.shed_after += [now - at] * counts
                continue
            now += BEGIN
            heapq.heappush(answers, (now + latency, at, caller))
        while answers and answers[0][0] <= begun:
            _, at, caller = heapq.heappop(answers)
            places.of(caller).__exit__()
            now += END
            found.served[caller] = found.served.get(caller, 0) + (at >= settled)
        turn = now - begun
        if turn:
            found.turns += [turn] * (begun >= settled)
        else:
            now = min([sample_at, *([came[0]] if came else []), *([answers[0][0]] if answers else [])])
    return found


def _arrivals(rates: Mapping[str, float], seconds: float, joins: Mapping[str, float]) -> Iterator[tuple[float, str]]:
    return heapq.merge(*(_poisson(name, rate, joins.get(name, 0.0), seconds) for name, rate in rates.items()))


def _poisson(name: str, rate: float, begins: float, seconds: float) -> Iterator[tuple[float, str]]:
    draw = Random(name)
    times = itertools.accumulate((draw.expovariate(rate) for _ in itertools.count()), initial=begins)
    return ((at, name) for at in itertools.takewhile(lambda at: at < seconds, times))
