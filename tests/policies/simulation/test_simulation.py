"""Simulated rollouts: the running bound never hides a breach, and the summary says what happened."""

import random

import pytest

from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import assess
from policies.guardrails.metrics import SimulatedBehaviour
from policies.simulation.simulation import Breach, Detection, StepWatch, detection, expected_detection, first_breach
from policies.simulation.worlds import Phase, World, happenings

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))
FAILING = World((Phase(canary=SimulatedBehaviour(errors=0.5)),))
WORSE = SimulatedBehaviour(errors=0.02, quality=0.87, latency=1.1, cost=1.05)


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_never_below_the_evidence(seed: int) -> None:
    """At every look of two hours with a canary that is a little worse in everything."""
    world, rng, looks = World((Phase(canary=WORSE),)), random.Random(seed), 0
    watch = StepWatch(GUARDRAILS, world)
    for calls, _, happening in happenings(GUARDRAILS, world, rng):
        watch.book(calls, happening)
        if calls > 6000:
            break
        if rng.random() < 0.03:
            looks += 1
            assert assess(GUARDRAILS, (), watch.evidence(calls)).e_value <= watch.bound() * (1 + 1e-9)
    assert looks > 30


def test_turns_are_drawn_and_bounded_like_the_rest() -> None:
    """Twice as many calls a conversation are found within hundreds of conversations; the bound hides nothing."""
    guardrails = (*GUARDRAILS, parse("turns <= stable * 1.25"))
    world, rng = World((Phase(canary=SimulatedBehaviour(turns=6.0)),)), random.Random(1)
    watch = StepWatch(guardrails, world)
    for calls, _, happening in happenings(guardrails, world, rng):
        watch.book(calls, happening)
        if calls > 300:
            break
        assert assess(guardrails, (), watch.evidence(calls)).e_value <= watch.bound() * (1 + 1e-9)
    breach = first_breach(guardrails, world, random.Random(1))
    assert breach is not None and breach.guardrail.startswith("turns") and breach.requests < 300
    assert first_breach((guardrails[-1],), World(), random.Random(1), 500) is None


def test_a_breach_says_when_and_why() -> None:
    """Half of the calls fail: after a handful of them, by the errors."""
    breach = first_breach(GUARDRAILS, FAILING, random.Random(1))
    assert breach is not None
    assert 3 <= breach.requests <= 20
    assert breach.minutes == breach.requests / 150
    assert (breach.guardrail, breach.e_value >= 100) == ("error_rate <= stable * 1.25", True)


def test_an_absolute_guard_alone_rolls_back_too() -> None:
    """Where it is the only one."""
    breach = first_breach((GUARDRAILS[-1],), FAILING, random.Random(1))
    assert breach is not None and breach.guardrail == "error_rate <= 20%"


def test_without_a_breach_there_is_none() -> None:
    """Within the limit, or because nothing is ever bad."""
    never = SimulatedBehaviour(errors=0.0)
    assert first_breach(GUARDRAILS, World(), random.Random(2), limit=500) is None
    assert first_breach((GUARDRAILS[0],), World((Phase(never, never),)), random.Random(2)) is None


def test_the_summary_of_many_rollouts() -> None:
    """Median and 95th percentile over all runs; None where fewer were rolled back."""
    breaches = [Breach(number, number / 10, "", 100.0) for number in range(1, 11)]
    assert detection(breaches) == Detection(1.0, 5, 10, 0.5, 1.0)
    assert detection([*breaches[:6], *[None] * 4]) == Detection(0.6, 5, None, 0.5, None)
    assert detection([None]) == Detection(0.0, None, None, None, None)


def test_what_to_expect_of_a_failing_canary() -> None:
    """What `serinus simulate` prints."""
    expected = expected_detection(GUARDRAILS, FAILING, random.Random(1), runs=50)
    assert (expected.share, expected.p95_requests is not None) == (1.0, True)
    assert expected.median_requests is not None and 3 <= expected.median_requests <= 15
