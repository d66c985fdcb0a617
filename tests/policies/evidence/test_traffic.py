"""Traffic that cannot be trusted holds a rollout, in words, and does nothing else."""

from dataclasses import replace

import pytest

from policies.evidence.evidence import LEFT_OUT, ArmEvidence, Evidence, earlier_part
from policies.evidence.traffic import MISMATCH_THRESHOLD, blocked, mismatch_e_value
from tests.policies.evidences import GOOD, errors


def seen(canary: dict[int, int], stable: dict[int, int], minute: int, weight: float = 0.05) -> Evidence:
    """Calls by slot, in the given minute of the step."""
    return Evidence(weight, ArmEvidence(requests=canary), ArmEvidence(requests=stable), minute=minute)


def test_a_fair_share_is_no_mismatch() -> None:
    """1,000 of 20,000 at 5 %."""
    assert blocked(GOOD) == ()


@pytest.mark.parametrize("canary", [700, 1300])
def test_a_share_that_is_not_the_weight_holds(canary: int) -> None:
    """Too few calls as well as too many: something is wrong with the split, so with every other number."""
    found = blocked(errors((canary, 0), (19_000, 0)))
    assert mismatch_e_value(errors((canary, 0), (19_000, 0))) >= MISMATCH_THRESHOLD
    assert len(found) == 1
    assert "of the calls instead of 5.00%" in found[0]


@pytest.mark.parametrize(("left_out", "waits"), [(19, False), (100, False), (101, True)])
def test_a_canary_most_of_whose_calls_are_left_out_waits(left_out: int, waits: bool) -> None:
    """Nobody has seen whether they are good; conversations of earlier steps were seen."""
    seen_calls = ArmEvidence(
        requests={0: 40}, requests_of={earlier_part("requests", 3): {0: 60}}, bad_units={LEFT_OUT: left_out}
    )
    found = blocked(Evidence(0.5, seen_calls, ArmEvidence(requests={0: 40}), earlier={3: 0.2}))
    assert any("evidence is missing: 101 calls of the canary are left out" in each for each in found) is waits


def test_before_the_first_call_nothing_is_missing() -> None:
    """Four minutes without traffic are a quiet time, five hold."""
    assert blocked(seen({}, {}, 4)) == ()
    assert blocked(seen({}, {}, 5)) == ("no call was seen for 5 minutes",)


def test_traffic_that_ends_holds() -> None:
    """Nobody promotes on what is not seen any more."""
    assert blocked(seen({0: 50}, {0: 950}, 7)) == ("no call was seen for 6 minutes",)


def test_a_silent_canary_holds() -> None:
    """Stable is called on and on, so some twenty calls of the canary were due."""
    found = blocked(seen({0: 50}, {minute: 950 if minute == 0 else 70 for minute in range(7)}, 6))
    assert found[0] == "no call of the canary was seen for 5 minutes, and about 22 were expected"


def test_a_silent_control_holds() -> None:
    """The same the other way round."""
    assert "no call of the stable was seen for 5 minutes" in blocked(seen({0: 50, 6: 9}, {0: 950}, 6))[0]


def test_an_arm_of_which_little_is_due_may_be_silent() -> None:
    """At a call or two a minute five minutes without a canary call are nothing."""
    assert blocked(seen({0: 1}, {minute: 2 for minute in range(7)}, 6)) == ()


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_without_two_arms_neither_can_be_missing(weight: float) -> None:
    """A weight of nothing or all has nothing to compare."""
    assert blocked(replace(seen({}, {minute: 900 for minute in range(9)}, 8), weight=weight)) == ()
