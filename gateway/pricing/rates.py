"""Prices of models, as integers, and the periods in which they apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.calls import Usage

SECONDS_PER_DAY = 86_400
_PICO_PER_NANO = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """Prices of one target in 1e-12 USD per token; they hold for calls of more than `above` input tokens.

    `output` is None for what has no output, such as embeddings; `request` is what each request costs besides.
    """

    input: int
    cached: int
    output: int | None
    cache_write: int
    cache_write_1h: int
    reasoning: int
    above: int = 0
    request: int = 0

    def cost(self, usage: Usage) -> int | None:
        """Cost in nano-dollars; each part of the input or output pays its own rate. None for output without a price."""
        given, cached, output, reasoning, _, written, for_an_hour = usage
        fresh = max(given - cached - written, 0)
        pico = fresh * self.input + cached * self.cached + written * self.cache_write + self.request
        if for_an_hour:
            pico += for_an_hour * (self.cache_write_1h - self.cache_write)
        if output:
            if self.output is None:
                return None
            pico += (output - reasoning) * self.output + reasoning * self.reasoning
        return (pico + _PICO_PER_NANO // 2) // _PICO_PER_NANO


class Period(NamedTuple):
    """Rates, the highest tier first, and the Unix seconds between which they hold; `end` is no longer among them.

    Without rates, what there is has no known price.
    """

    rates: tuple[Rate, ...]
    begin: float
    end: float


class Change(NamedTuple):
    """Rates that hold from a day on (days since 1970, UTC), each day from this second of it until another change's."""

    day: int
    second: int
    rates: tuple[Rate, ...]


class PriceSchedule:
    """Prices of a model over time: they change from a day on, and some with the time of day."""

    def __init__(self, changes: Sequence[Change]) -> None:
        """Every day that has a change has all of its own, the first one at second 0."""
        self.changes = tuple(sorted(changes))

    def at(self, now: float) -> Period:
        """The rates that hold then; none before the first day."""
        today, second = divmod(int(now), SECONDS_PER_DAY)
        midnight = today * SECONDS_PER_DAY
        day = max((change.day for change in self.changes if change.day <= today), default=None)
        of_day = [change for change in self.changes if change.day == day]
        begun = [change for change in of_day if change.second <= second]
        if not begun:
            return Period((), midnight, midnight + SECONDS_PER_DAY)
        ends = min((change.second for change in of_day if change.second > second), default=SECONDS_PER_DAY)
        return Period(begun[-1].rates, midnight + begun[-1].second, midnight + ends)
