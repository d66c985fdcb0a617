"""The worlds of the calibration: what befalls a canary that is as good as stable, and canaries that must go."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.calibration.provider import CANARY, NAME, SPARE, STABLE, Climate, Moment, Said, Weather

_WELL = Weather()
_USUAL = Said()
_FALLBACK = {"fallback": [f"{NAME}/{SPARE}"]}
_NAMES = ("alice", "bob", "carol", "dave", "mallory")
Words = Callable[[random.Random, int], Said]  # what the conversation of that number asks for
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
    its calls until it is out in 95 of 100 rollouts. `runs` is how many rollouts the table has.
    """

    name: str
    climate: Climate = lambda _: _WELL
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
    words: Words = lambda _chance, _number: _USUAL
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


def _always(**changes: Any) -> Climate:
    """The same for all models at all times."""
    weather = _WELL.but(**changes)
    return lambda _: weather


def _alone(**changes: Any) -> Climate:
    """What differs on the canary from its first call on."""
    bad = _WELL.but(**changes)
    return lambda moment: bad if moment.model == CANARY else _WELL


def _between(begin: float, end: float, **changes: float) -> Climate:
    """What differs for all models from one moment to another."""
    weather = _WELL.but(**changes)
    return lambda moment: weather if begin <= moment.now < end else _WELL


def _in_turn(seconds: float, **changes: float) -> Climate:
    """What comes and goes: so many seconds of it, as many without."""
    weather = _WELL.but(**changes)
    return lambda moment: weather if moment.now // seconds % 2 else _WELL


def _one_replica(climate: Climate) -> Climate:
    """One replica sees another provider than the others, where all is well."""
    return lambda moment: _WELL if moment.replica else climate(moment)


def _limited_when_busy(moment: Moment) -> Weather:
    """Peaks in which all models are slow, and the account's limit meets the busier one alone."""
    is_peak = moment.now // 5 % 2
    limited = 0.6 if is_peak and moment.model == STABLE else 0.0
    return _WELL.but(slow=2.5, limited=limited) if is_peak else _WELL


def _limited_and_cut_off(moment: Moment) -> Weather:
    """Peaks in which answers are cut off, and the account's limit meets the busier model alone."""
    return replace(_limited_when_busy(moment), slips=0.2 if moment.now // 5 % 2 else 0.02)


def _cached_when_busy(moment: Moment) -> Weather:
    """A prompt cache that is warmer for the model with more calls."""
    return _WELL.but(cached=0.95 if moment.model == STABLE else 0.5)


def _tired_by_day(moment: Moment) -> Weather:
    """Slower, and failing more, where there is more to do."""
    load = _by_day(moment.now)
    return _WELL.but(slow=0.6 + 0.6 * load, errors=0.02 * load * load)


def _by_day(now: float) -> float:
    """The load of a day that takes half a minute."""
    return 1.0 + 0.9 * math.sin(2 * math.pi * now / 30)


def _as_a_whole(chance: random.Random, _: int) -> Said:
    """Conversations that fail, are slow and dear in every turn or in none."""
    lot = chance.random()
    if lot < 0.03:
        return Said(status=500)
    return Said(slow=4.0) if lot < 0.15 else Said(dear=6.0) if lot < 0.25 else _USUAL


def _of_all_kinds(chance: random.Random, _: int) -> Said:
    """Conversations that differ from one another in how slow and how dear they are."""
    return Said(slow=math.exp(chance.gauss(0, 0.8)), dear=math.exp(chance.gauss(0, 1.0)))


def _in_clusters(chance: random.Random, _: int) -> Said:
    """Conversations most of which fail now and then, some in half of their calls, some in all."""
    return Said(fails=chance.choice((0.0, 0.0, 0.01, 0.01, 0.02, 0.02, 0.05, 0.1, 0.4, 1.0)))


def _cut_off_in_clusters(chance: random.Random, _: int) -> Said:
    """Conversations some of which ask for more than fits, in half of their calls or in all."""
    return Said(slips=chance.choice((0.0, 0.0, 0.0, 0.0, 0.02, 0.02, 0.5, 1.0)))


def _one_of_three(number: int) -> str:
    """Seven of ten begin with one of three templates."""
    return f"template {number % 3}" if number % 10 < 7 else ""


def _dear_templates(_: random.Random, number: int) -> Said:
    """Templates differ in what they ask for."""
    kinds = (Said(slow=1.5, dear=2.0), Said(slow=0.7, dear=0.5), _USUAL)
    return kinds[number % 3] if _one_of_three(number) else _USUAL


def _cut_off_more(moment: Moment) -> Weather:
    """Answers that are cut off, ten times as many on the canary."""
    return _WELL.but(slips=0.2 if moment.model == CANARY else 0.02)


# Circuits open, and stay so, where few calls are under way when five in a row have failed.
_BRISK: Mapping[str, Any] = {"seconds": 0.02}
# Some sixty conversations at a time, most of which fail at least once where 1 % of the calls do.
_LONG: Mapping[str, Any] = {"turns": 50, "pause": 0.4, "seconds": 0.2, "named": True}
# Some ten at a time, with circuits that stay open.
_FEW_LONG: Mapping[str, Any] = {"turns": 50, "pause": 0.1, "seconds": 0.5, "named": True}
_WEIGHTS = ("5%", "50%", "90%")
_CALLS = (300, 1000, 1800)
_UNTIL_FROZEN = (300, 1500, 6300)  # calls after stable's first 500, from which latency thresholds are taken


def _at_all(name: str, climate: Climate, calls: Sequence[int] = _CALLS, **more: Any) -> list[Scenario]:
    return [
        Scenario(f"{name}, {weight[:-1]} %", climate, weight, horizon, **more)
        for weight, horizon in zip(_WEIGHTS, calls, strict=True)
    ]


_ATTACKS: Sequence[tuple[Attack, float]] = (
    (("failures", Said(status=500), None), 0.0),
    (("refusals", Said(status=400), None), 0.0),
    (("zero scores", _USUAL, 0.0), 0.3),
    (("slow answers", Said(slow=10.0), None), 0.0),
    (("dear answers", Said(dear=20.0), None), 0.0),
)
_STEPS = {
    "weight": None,
    "steps": [{"weight": weight, "hold": "10s", "min_requests": 100} for weight in ("5%", "20%", "50%")],
}

BLAMELESS: Sequence[Scenario] = (
    Scenario("identical", weight="5%", calls=200, runs=2000),
    Scenario("identical, 50 %", weight="50%", calls=1000),
    Scenario("identical, every call scored", scored=1.0),
    Scenario("conversations fail as a whole", words=_as_a_whole, turns=5, named=True, runs=2000),
    Scenario("outage for a while", _between(8, 16, errors=0.3), runs=2000),
    Scenario("a ladder of steps", _between(20, 30, errors=0.3), routing=_STEPS, calls=1000),
    *_at_all("shared outage", _always(errors=0.3), **_BRISK),
    *_at_all("slow outage, comes and goes", _in_turn(3, errors=0.5, slow=3.0), _UNTIL_FROZEN, **_BRISK),
    *_at_all("both down for a while", _between(4, 14, errors=1.0), **_BRISK),
    *_at_all("shared slowness", _between(8, 14, slow=3.0), _UNTIL_FROZEN),
    *_at_all("provider flaps", _in_turn(4, errors=0.95), **_BRISK),
    Scenario("429 storms", _in_turn(4, limited=0.7), weight="50%", routing=_FALLBACK),
    Scenario("429 for the busier arm, in slow peaks", _limited_when_busy, routing=_FALLBACK),
    Scenario("one replica cut off", _one_replica(_between(4, 15, cut_off=True)), weight="50%", **_BRISK),
    Scenario(
        "one replica cut off, fallback", _one_replica(_between(4, 15, cut_off=True)), routing=_FALLBACK, **_BRISK
    ),
    Scenario("replicas with different circuits", _one_replica(_always(errors=0.4)), routing=_FALLBACK, **_BRISK),
    Scenario("hedges", _in_turn(6, slow=2.0), routing={**_FALLBACK, "hedge": {"after": "p90", "budget": "20%"}}),
    Scenario(
        "hedges in an outage", _always(errors=0.3, latency_spread=1.0),
        routing={**_FALLBACK, "hedge": {"after": "p75", "budget": "50%"}},
    ),
    Scenario(
        "long conversations", words=_of_all_kinds, turns=20, pause=0.3, seconds=0.2, named=True,
        weight="50%", calls=1000,
    ),
    Scenario("long conversations that fail in clusters", words=_in_clusters, weight="10%", calls=800, **_LONG),
    Scenario("long conversations that fail in clusters, 50 %", words=_in_clusters, weight="50%", calls=1500, **_LONG),
    Scenario("long conversations, provider flaps", _in_turn(4, errors=0.95), weight="10%", calls=1500, **_FEW_LONG),
    Scenario("long conversations, one replica cut off", _one_replica(_between(4, 60, cut_off=True)), **_FEW_LONG),
    Scenario("load of a day", _tired_by_day, rate=_by_day, calls=800),
    Scenario("heavy tails", _always(latency_spread=1.3, cost_spread=1.6), calls=800),
    Scenario("a prompt cache that favours the busier arm", _cached_when_busy, calls=800),
    Scenario("restart of Redis", _between(14, 18, errors=0.3), store_away=(8.0, 4.0)),
    Scenario("clients hang up on slow answers", _in_turn(6, slow=1.8), patience=2.0),
    *(
        Scenario(f"{slip} answers on both arms", _always(slips=0.05, slip=slip))
        for slip in ("truncated", "empty", "bad_tools")
    ),
    Scenario("truncated answers in peaks", _in_turn(4, slips=0.6), weight="50%"),
    Scenario(
        "long conversations, truncated in clusters", words=_cut_off_in_clusters, weight="10%", calls=800, **_LONG
    ),
    Scenario("truncated answers and 429 for the busier arm", _limited_and_cut_off, routing=_FALLBACK),
    Scenario("templated openings", words=_dear_templates, template=_one_of_three, weight="50%"),
    *(
        Scenario(f"an adversary: {attack[0]}", attack=attack, scored=scored, named=True, weight="50%")
        for attack, scored in _ATTACKS
    ),
)  # fmt: skip


def _bad(name: str, climate: Climate, bar: int | None, **more: Any) -> Scenario:
    """A canary that must go: a horizon of half again the bar, at 5 %."""
    calls = more.pop("calls", bar and round(1.5 * bar) + 40)
    usual = {"weight": "5%", "runs": 200 if calls < 1000 else 40}
    return Scenario(name, climate, **{**usual, **more}, calls=calls, must_go=True, bar=bar)


_DOMINANT: Mapping[str, Any] = {"weight": "20%", "seconds": 0.2, "runs": 60}

DETECTED: Sequence[Scenario] = (
    _bad("errors 1 % → 100 %", _alone(errors=1.0), 8),
    _bad("long conversations, errors 1 % → 100 %", _alone(errors=1.0), None, calls=400, weight="10%", **_LONG),
    _bad("long conversations, errors 1 % → 10 %", _alone(errors=0.1), None, calls=1000, weight="10%", **_LONG),
    _bad("errors 1 % → 50 %", _alone(errors=0.5), 20),
    _bad("errors 1 % → 10 %", _alone(errors=0.1), 200),
    _bad("errors 1 % → 5 %", _alone(errors=0.05), 700),
    _bad("errors 1 % → 3 %", _alone(errors=0.03), 2300),
    _bad("errors 1 % → 100 %, one caller has 99 %", _alone(errors=1.0), 30, calls=1800, dominant=0.99, **_DOMINANT),
    _bad("refusals 1 % → 100 %, one caller has 90 %", _alone(refused=1.0), 40, calls=600, dominant=0.9, **_DOMINANT),
    _bad("latency × 2", _alone(slow=2.0), 120),
    _bad("latency + 25 %", _alone(slow=1.25), 2800),
    _bad("cost + 20 %", _alone(dear=1.2), 2800),
    _bad("quality .90 → .80", _always(), 2000, scored=1.0, quality={"v2": 0.8}),
    *(
        _bad(f"{slip} 0 % → 100 %", _alone(slips=1.0, slip=slip), 20)
        for slip in ("truncated", "empty", "bad_tools")
    ),
    _bad("truncated 2 % → 20 %", _cut_off_more, None, calls=600),
    _bad("own target dead, 5 %", _alone(cut_off=True), 8, routing=_FALLBACK),
    _bad(
        "own target dead, long conversations", _alone(cut_off=True), None, calls=2000, weight="10%", routing=_FALLBACK,
        **_FEW_LONG,
    ),
    _bad("own target dead, 50 %", _alone(cut_off=True), None, calls=300, weight="50%", routing=_FALLBACK),
    _bad("own target dead, 90 %", _alone(cut_off=True), None, calls=2000, weight="90%", routing=_FALLBACK),
)  # fmt: skip

SCENARIOS: Mapping[str, Scenario] = {each.name: each for each in (*BLAMELESS, *DETECTED)}
