"""The worlds of the calibration: what befalls a canary that is as good as stable, and canaries that must go."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.calibration import behaviour_worlds
from bench.calibration.climates import USUAL, WELL, alone, always, between, in_turn, limited_when_busy, one_replica
from bench.calibration.provider import CANARY, STABLE, Climate, Moment, Said, Weather
from bench.calibration.scenario import STEADY_RPS, Attack, Scenario, bad

_FALLBACK = behaviour_worlds.FALLBACK


def _limited_and_cut_off(moment: Moment) -> Weather:
    """Peaks in which answers are cut off, and the account's limit meets the busier model alone."""
    return replace(limited_when_busy(moment), slips=0.2 if moment.now // 5 % 2 else 0.02)


def _cached_when_busy(moment: Moment) -> Weather:
    """A prompt cache that is warmer for the model with more calls."""
    return WELL.but(cached=0.95 if moment.model == STABLE else 0.5)


def _tired_by_day(moment: Moment) -> Weather:
    """Slower, and failing more, where there is more to do."""
    load = _by_day(moment.now)
    return WELL.but(slow=0.6 + 0.6 * load, errors=0.02 * load * load)


def _by_day(now: float) -> float:
    """The load of a day that takes half a minute."""
    return 1.0 + 0.9 * math.sin(2 * math.pi * now / 30)


def _as_a_whole(chance: random.Random, _: int) -> Said:
    """Conversations that fail, are slow and dear in every turn or in none."""
    lot = chance.random()
    if lot < 0.03:
        return Said(status=500)
    return Said(slow=4.0) if lot < 0.15 else Said(dear=6.0) if lot < 0.25 else USUAL


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
    kinds = (Said(slow=1.5, dear=2.0), Said(slow=0.7, dear=0.5), USUAL)
    return kinds[number % 3] if _one_of_three(number) else USUAL


def _cut_off_more(moment: Moment) -> Weather:
    """Answers that are cut off, ten times as many on the canary."""
    return WELL.but(slips=0.2 if moment.model == CANARY else 0.02)


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
    (("zero scores", USUAL, 0.0), 0.3),
    (("slow answers", Said(slow=10.0), None), 0.0),
    (("dear answers", Said(dear=20.0), None), 0.0),
)
_STEPS = {
    "weight": None,
    "steps": [{"weight": weight, "hold": "10s", "min_requests": 100} for weight in ("5%", "20%", "50%")],
}

BLAMELESS: Sequence[Scenario] = (
    Scenario("identical", weight="5%", calls=200, runs=2000, rps=STEADY_RPS),
    Scenario("identical, 50 %", weight="50%", calls=1000, rps=STEADY_RPS),
    Scenario("identical, every call scored", scored=1.0, rps=STEADY_RPS),
    Scenario("conversations fail as a whole", words=_as_a_whole, turns=5, named=True, runs=2000, rps=STEADY_RPS),
    Scenario("outage for a while", between(8, 16, errors=0.3), runs=2000),
    Scenario("a ladder of steps", between(20, 30, errors=0.3), routing=_STEPS, calls=1000),
    *_at_all("shared outage", always(errors=0.3), **_BRISK),
    *_at_all("slow outage, comes and goes", in_turn(3, errors=0.5, slow=3.0), _UNTIL_FROZEN, **_BRISK),
    *_at_all("both down for a while", between(4, 14, errors=1.0), **_BRISK),
    *_at_all("shared slowness", between(8, 14, slow=3.0), _UNTIL_FROZEN),
    *_at_all("provider flaps", in_turn(4, errors=0.95), **_BRISK),
    Scenario("429 storms", in_turn(4, limited=0.7), weight="50%", routing=_FALLBACK),
    Scenario("429 for the busier arm, in slow peaks", limited_when_busy, routing=_FALLBACK),
    Scenario("one replica cut off", one_replica(between(4, 15, cut_off=True)), weight="50%", **_BRISK),
    Scenario(
        "one replica cut off, fallback", one_replica(between(4, 15, cut_off=True)), routing=_FALLBACK, **_BRISK
    ),
    Scenario("replicas with different circuits", one_replica(always(errors=0.4)), routing=_FALLBACK, **_BRISK),
    Scenario("hedges", in_turn(6, slow=2.0), routing={**_FALLBACK, "hedge": {"after": "p90", "budget": "20%"}}),
    Scenario(
        "hedges in an outage", always(errors=0.3, latency_spread=1.0),
        routing={**_FALLBACK, "hedge": {"after": "p75", "budget": "50%"}},
    ),
    Scenario(
        "long conversations", words=_of_all_kinds, turns=20, pause=0.3, seconds=0.2, named=True,
        weight="50%", calls=1000,
    ),
    Scenario("long conversations that fail in clusters", words=_in_clusters, weight="10%", calls=800, **_LONG),
    Scenario("long conversations that fail in clusters, 50 %", words=_in_clusters, weight="50%", calls=1500, **_LONG),
    Scenario("long conversations, provider flaps", in_turn(4, errors=0.95), calls=1500, **_FEW_LONG),
    Scenario("long conversations, one replica cut off", one_replica(between(4, 60, cut_off=True)), **_FEW_LONG),
    Scenario("load of a day", _tired_by_day, rate=_by_day, calls=800),
    Scenario("heavy tails", always(latency_spread=1.3, cost_spread=1.6), calls=800, rps=STEADY_RPS),
    Scenario("a prompt cache that favours the busier arm", _cached_when_busy, calls=800, rps=STEADY_RPS),
    Scenario("restart of Redis", between(14, 18, errors=0.3), store_away=(8.0, 4.0)),
    Scenario("clients hang up on slow answers", in_turn(6, slow=1.8), patience=2.0),
    *(
        Scenario(f"{slip} answers on both arms", always(slips=0.05, slip=slip), rps=STEADY_RPS)
        for slip in ("truncated", "empty", "bad_tools")
    ),
    Scenario("truncated answers in peaks", in_turn(4, slips=0.6), weight="50%"),
    Scenario("long conversations, truncated in clusters", words=_cut_off_in_clusters, calls=800, **_LONG),
    Scenario("truncated answers and 429 for the busier arm", _limited_and_cut_off, routing=_FALLBACK),
    *behaviour_worlds.BLAMELESS,
    Scenario("templated openings", words=_dear_templates, template=_one_of_three, weight="50%"),
    *(
        Scenario(f"an adversary: {attack[0]}", attack=attack, scored=scored, named=True, weight="50%", runs=600)
        for attack, scored in _ATTACKS
    ),
)  # fmt: skip


_DOMINANT: Mapping[str, Any] = {"weight": "20%", "seconds": 0.2, "runs": 60}

DETECTED: Sequence[Scenario] = (
    bad("errors 1 % → 100 %", alone(errors=1.0), 8),
    bad("long conversations, errors 1 % → 100 %", alone(errors=1.0), None, calls=400, weight="10%", **_LONG),
    bad("long conversations, errors 1 % → 10 %", alone(errors=0.1), None, calls=1000, weight="10%", **_LONG),
    bad("errors 1 % → 50 %", alone(errors=0.5), 20),
    bad("errors 1 % → 10 %", alone(errors=0.1), 200),
    bad("errors 1 % → 5 %", alone(errors=0.05), 700),
    bad("errors 1 % → 3 %", alone(errors=0.03), 2300),
    bad("errors 1 % → 100 %, one caller has 99 %", alone(errors=1.0), 30, calls=1800, dominant=0.99, **_DOMINANT),
    bad("refusals 1 % → 100 %, one caller has 90 %", alone(refused=1.0), 40, calls=600, dominant=0.9, **_DOMINANT),
    bad("latency × 2", alone(slow=2.0), 120),
    bad("latency + 25 %", alone(slow=1.25), 2800),
    bad("cost + 20 %", alone(dear=1.2), 2800),
    bad("quality .90 → .80", always(), 2000, scored=1.0, quality={"v2": 0.8}),
    *(
        bad(f"{slip} 0 % → 100 %", alone(slips=1.0, slip=slip), 20)
        for slip in ("truncated", "empty", "bad_tools")
    ),
    *behaviour_worlds.DETECTED,
    bad("truncated 2 % → 20 %", _cut_off_more, None, calls=600, weight="20%", rps=STEADY_RPS),
    bad("own target dead, 5 %", alone(cut_off=True), 8, routing=_FALLBACK),
    bad(
        "own target dead, long conversations", alone(cut_off=True), None, calls=2000, weight="10%", routing=_FALLBACK,
        **_FEW_LONG,
    ),
    bad("own target dead, 50 %", alone(cut_off=True), None, calls=300, weight="50%", routing=_FALLBACK),
    bad("own target dead, 90 %", alone(cut_off=True), None, calls=2000, weight="90%", routing=_FALLBACK),
)  # fmt: skip

SCENARIOS: Mapping[str, Scenario] = {each.name: each for each in (*BLAMELESS, *DETECTED)}
