"""What a reason says of both arms: shares of what was counted, and what was counted by conversation alone."""

import pytest

from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence, earlier_part
from policies.guardrails.grammar import parse
from policies.guardrails.observed import observed
from policies.rollout.shown import shown_in_words
from policies.statistics.means import Sample

LATENCY, ERROR_RATE, COST = map(
    parse, ("latency_p90 <= stable * 1.1", "error_rate <= stable * 1.25", "cost <= stable * 1.1")
)
SLOW = LATENCY.components[-1]


def arm(calls: int, bad: int, component: str = SLOW, errors: int = 0) -> ArmEvidence:
    return ArmEvidence({0: calls}, errors, bad={component: {0: bad * WHOLE}}, bad_units={component: bad})


@pytest.mark.parametrize("bad", [0, 3, 4, 9])
def test_no_share_is_above_one(bad: int) -> None:
    """Later turns that are known by their words are bad units whose calls are counted nowhere."""
    seen = observed(LATENCY, arm(4, bad))
    assert seen.value is not None and seen.value <= 1.0
    assert (seen.bad, seen.of) == (bad, max(4, bad))


def test_later_turns_are_told_apart() -> None:
    """Where they are more than the calls, or more than the failed ones."""
    slow = shown_in_words(LATENCY, Evidence(0.1, arm(4, 9), arm(40, 2)))
    assert slow == (
        "canary 100.00% of 9 requests, stable 5.00% of 40; with later turns 9 conversations were bad on the canary and "
        "2 on stable"
    )
    failing = Evidence(0.1, arm(10, 6, "errors", errors=1), arm(90, 2, "errors", errors=2))
    assert shown_in_words(ERROR_RATE, failing).startswith(
        "canary 10.00% of 10 requests, stable 2.22% of 90; with later"
    )
    usual = Evidence(0.1, arm(10, 6, "errors", errors=7), arm(90, 2, "errors", errors=2))
    assert shown_in_words(ERROR_RATE, usual) == "canary 70.00% of 10 requests, stable 2.22% of 90"


def test_before_the_first_call_nothing_is_claimed() -> None:
    """Of the canary, whose conversations may all be later turns, and of stable."""
    words = shown_in_words(LATENCY, Evidence(0.1, arm(0, 3), ArmEvidence()))
    assert words.startswith("canary 0.00% of 0 requests, no calls of stable; with later turns 3 conversations")


def test_conversations_of_earlier_steps_are_told_apart() -> None:
    """They are in no share of this step's calls."""
    part = earlier_part("errors", 7)
    canary = ArmEvidence({0: 10}, bad_units={part: 3})
    evidence = Evidence(0.1, canary, ArmEvidence({0: 90}, bad_units={part: 1}), earlier={7: 0.05})
    assert shown_in_words(ERROR_RATE, evidence) == (
        "canary 0.00% of 10 requests, stable 0.00% of 90; of the conversations under way before the step, 3 were bad "
        "on the canary and 1 on stable"
    )


@pytest.mark.parametrize(("stable", "times"), [(2.0, "1.5"), (0.0, "infinitely many")])
def test_a_mean_is_compared_by_its_ratio(stable: float, times: str) -> None:
    """Its values are parts of a cap, which say nothing to people."""
    canary = ArmEvidence({0: 4}, samples={"cost": Sample(4, 12.0, 36.0)})
    evidence = Evidence(0.1, canary, ArmEvidence({0: 4}, samples={"cost": Sample(4, 4 * stable, 0.0)}))
    assert shown_in_words(COST, evidence) == f"the canary's value is {times} times stable's, over 4 requests"
