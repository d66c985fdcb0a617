"""Long conversations: most of them have a bad call, so how often a unit is bad tells the arms apart."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from policies.evidence.evidence import REPEATS, WHOLE, ArmEvidence, Evidence, repeated
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, Guardrail, parse
from policies.guardrails.guardrails import assess
from policies.statistics.restarts import slot

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))
ERRORS = (parse("error_rate <= stable * 1.25"),)
Lot = Callable[[random.Random, bool], float]  # a conversation's share of failing calls; whether the canary serves it


@dataclass(slots=True)
class Conversation:
    """A conversation under way: its arm, its share of failing calls, and how many have failed."""

    arm: str
    fails: float
    left: int
    bad: int = 0


def _rollout(
    lot: Lot, seed: int, guardrails: tuple[Guardrail, ...], weight: float, turns: int, most: int
) -> int | None:
    """Return the canary's calls until its rollback, None where there is none within `most`.

    A hundred conversations are under way at a time; each call is one of theirs, and six hundred come in a minute.
    """
    rng, calls = random.Random(seed), 0
    requests: dict[str, dict[int, int]] = {"canary": {}, "stable": {}}
    bad: dict[str, defaultdict[str, dict[int, int]]] = {arm: defaultdict(dict) for arm in requests}
    talks = [_begin(lot, rng, weight, turns) for _ in range(100)]
    while sum(requests["canary"].values()) < most:
        place = rng.randrange(len(talks))
        talk, calls = talks[place], calls + 1
        index = slot(calls // 600)
        requests[talk.arm][index] = requests[talk.arm].get(index, 0) + 1
        if rng.random() < talk.fails:
            talk.bad += 1
            if talk.bad in (1, *REPEATS):
                slots = bad[talk.arm][repeated("errors", talk.bad)]
                slots[index] = slots.get(index, 0) + 1
                if talk.arm == "canary" and _is_proven(guardrails, weight, requests, bad, calls // 600):
                    return sum(requests["canary"].values())
        talk.left -= 1
        if not talk.left:
            talks[place] = _begin(lot, rng, weight, turns)
    return None


def _begin(lot: Lot, rng: random.Random, weight: float, turns: int) -> Conversation:
    is_canary = rng.random() < weight
    return Conversation("canary" if is_canary else "stable", lot(rng, is_canary), rng.randint(1, 2 * turns))


def _is_proven(
    guardrails: tuple[Guardrail, ...],
    weight: float,
    requests: dict[str, dict[int, int]],
    bad: dict[str, defaultdict[str, dict[int, int]]],
    minute: int,
) -> bool:
    canary, stable = (
        ArmEvidence(
            requests=requests[arm],
            bad={name: {index: count * WHOLE for index, count in slots.items()} for name, slots in bad[arm].items()},
            bad_units={name: sum(slots.values()) for name, slots in bad[arm].items()},
        )
        for arm in ("canary", "stable")
    )
    return assess(guardrails, (), Evidence(weight, canary, stable, minute)).proven is not None


def _in_clusters(rng: random.Random, _: bool) -> float:
    """Most conversations fail now and then, some in half of their calls, some in all."""
    return rng.choice((0.0, 0.01, 0.01, 0.02, 0.02, 0.05, 0.1, 0.3, 0.5, 1.0))


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_an_identical_canary_of_conversations_that_fail_in_clusters_stays(weight: float) -> None:
    """At most 1 %: a conversation has each of its events once, whatever it is made of."""
    found = [_rollout(_in_clusters, seed, ERRORS, weight, 50, most=1500) for seed in range(60)]
    assert sum(each is not None for each in found) <= 1


def _dead(_: random.Random, is_canary: bool) -> float:
    return 1.0 if is_canary else 0.01


@pytest.mark.parametrize("turns", [50, 200])
def test_a_dead_canary_is_out_within_some_tens_of_calls(turns: int) -> None:
    """Stable's long conversations have a failed call each; few of them have four."""
    found = sorted(_rollout(_dead, seed, GUARDRAILS, 0.1, turns, most=1000) or 1000 for seed in range(40))
    assert found[20] <= 15 and found[37] <= 50, found


def test_a_canary_that_fails_a_tenth_of_its_calls_is_found_by_long_conversations() -> None:
    """By a handful of conversations that have four failures each."""
    found = sorted(_rollout(_tenth, seed, GUARDRAILS, 0.1, 50, most=3000) or 3000 for seed in range(20))
    assert found[10] <= 500 and found[18] <= 900, found


def _tenth(_: random.Random, is_canary: bool) -> float:
    return 0.1 if is_canary else 0.01
