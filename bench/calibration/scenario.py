"""A world of the calibration as a value: what befalls a canary, who calls, and how many rollouts there are."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.calibration.climates import USUAL, WELL
from bench.calibration.provider import Climate, Said

_NAMES = ("alice", "bob", "carol", "dave", "mallory")
STEADY_RPS = 300.0  # where nothing changes with time: fewer flushes and looks for as many calls
_HIGH_BAR = 700  # calls of a bad canary
Words = Callable[[random.Random, int], Said]  # what the conversation of that number asks for
# More members of a request, by its first message and the number of its turn.
Asks = Callable[[str, random.Random, int], Mapping[str, Any]]
Attack = tuple[str, Said, float | None]  # what it is called, what is asked on canary units, the score given there


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world. `calls` is its horizon in calls of the canary; calls come at `rps` a second to `replicas` gateways
    and take `seconds` at the median.

    A conversation has `turns` calls in the mean, `pause` seconds apart; `named` ones carry an id. `rate` multiplies
    `rps` by the time. A client leaves after `patience` seconds, where that is not 0. `template` is the opening that a
    conversation of that number has in common with others, or ''. `scored` is the share of answered calls with a score,
    `quality` its mean by version. `store_away` is when the store is stopped, and for how long. `attack` is what one of
    the callers does; there are several callers then. `dominant` is the share of the calls that one of two callers
    makes, where that is not 0. `must_go` is set where the canary is bad, and `bar` then bounds
    its calls until it is out in 95 of 100 rollouts. `runs` is how many rollouts the table has. `asks`
    adds to a request, `lengthens` multiplies a conversation's calls by its version, and with `gives_up` one ends with a
    call that fails.
    """

    name: str
    climate: Climate = lambda _: WELL
    weight: str = "20%"
    calls: int = 500
    rps: float = 100.0
    replicas: int = 2
    seconds: float = 1.0
    turns: float = 1.0
    pause: float = 2.0
    named: bool = False
    patience: float = 0.0
    rate: Callable[[float], float] = lambda _: 1.0
    words: Words = lambda _chance, _number: USUAL
    asks: Asks | None = None
    lengthens: Mapping[str, float] = field(default_factory=dict)
    gives_up: bool = False
    template: Callable[[int], str] = lambda _: ""
    routing: Mapping[str, Any] = field(default_factory=dict)
    gateway: Mapping[str, Any] = field(default_factory=dict)
    scored: float = 0.0
    quality: Mapping[str, float] = field(default_factory=dict)
    store_away: tuple[float, float] | None = None
    attack: Attack | None = None
    dominant: float = 0.0
    must_go: bool = False
    bar: int | None = None
    runs: int = 300  # none of them rolled back bounds the share by 1 %

    @property
    def share(self) -> float:
        """The canary's, in 0…1."""
        return float(self.weight.rstrip("%")) / 100

    @property
    def horizon(self) -> int:
        """Calls on both arms."""
        return math.ceil(self.calls / self.share)

    @property
    def shares(self) -> bool:
        """Whether replicas tell one another of conversations under way: where it changes nothing they are spared it."""
        return self.turns > 1 or "steps" in self.routing

    @property
    def callers(self) -> tuple[str, ...]:
        """Who calls, by key; nobody needs one where nobody attacks. The last is the attacker. Of two one dominates."""
        return _NAMES if self.attack else _NAMES[:2] if self.dominant else ()

    def caller(self, chance: random.Random) -> str:
        """Draw who holds the next conversation."""
        if self.dominant:
            return self.callers[chance.random() >= self.dominant]
        return chance.choice(self.callers[:-1]) if self.callers else ""


def bad(name: str, climate: Climate, bar: int | None, **more: Any) -> Scenario:
    """A canary that must go: a horizon of half again the bar, at 5 %, by more calls a second where the bar is high."""
    calls = more.pop("calls", bar and round(1.5 * bar) + 40)
    usual: dict[str, Any] = {"weight": "5%", "runs": 200 if calls < 1000 else 40}
    if bar and bar >= _HIGH_BAR:
        usual["rps"] = STEADY_RPS
    return Scenario(name, climate, **{**usual, **more}, calls=calls, must_go=True, bar=bar)
