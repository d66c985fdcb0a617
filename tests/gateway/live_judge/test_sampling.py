"""Which calls a judge grades: as many units of either arm, each by hashes that all replicas agree on."""

import random
from collections import Counter

import pytest

from gateway.calls import ArmName
from gateway.live_judge.sampling import graded_share, is_drawn, is_sampled, shares_of


def _graded(weight: int, sample: int, units: int, turns: int) -> tuple[Counter[ArmName], Counter[int], int]:
    """Return the graded units by arm, the turns at which they were graded, and how many calls there were."""
    draw, shares = random.Random(weight), shares_of(sample, weight)
    arms, at = Counter[ArmName](), Counter[int]()
    for unit in range(units):
        arm: ArmName = "canary" if draw.random() < weight / 10_000 else "stable"
        for turn in range(turns):
            if is_sampled(f"{weight} {unit} {turn}", str(unit), arm, shares):
                arms[arm] += 1
                at[turn] += 1
                break  # a unit is graded once in a step
    return arms, at, units * turns


@pytest.mark.parametrize("weight", [100, 500, 5_000, 9_800])
@pytest.mark.parametrize("turns", [1, 12])
def test_both_arms_are_graded_alike(weight: int, turns: int) -> None:
    """At any weight, and however long conversations are, half of the graded units are the canary's."""
    arms, _, _ = _graded(weight, 200, 60_000 // turns * min(turns, 4), turns)
    total = arms.total()
    assert total > 100
    assert abs(arms["canary"] - total / 2) < 4 * (total / 4) ** 0.5


def test_the_sample_is_of_all_calls() -> None:
    """2 % of all calls are graded at a weight of 5 %: 20 % of the canary's and 1 % of stable's."""
    arms, _, calls = _graded(500, 200, 100_000, 1)
    assert arms.total() / calls == pytest.approx(0.02, rel=0.1)


def test_without_a_trial_it_is_the_share_of_the_calls() -> None:
    """Nothing is evened out where there is one arm."""
    shares = shares_of(200, 0)
    drawn = sum(is_sampled(str(number), "", None, shares) for number in range(50_000))
    assert drawn / 50_000 == pytest.approx(0.02, rel=0.15)


def test_no_more_than_all_of_the_smaller_arm() -> None:
    """A weight too small for the sample grades every unit of the canary, and as many of stable."""
    shares = shares_of(5_000, 100)
    assert (shares.calls, shares.units["canary"]) == (1.0, 1.0)
    assert shares.units["stable"] == pytest.approx(0.01 / 0.99)


@pytest.mark.parametrize(
    ("sample", "weight", "share"),
    [
        (200, 0, 0.02),
        (200, 500, 0.02),
        (200, 9_800, 0.02),
        (5_000, 100, 0.02),
        (10_000, 5_000, 1.0),
        (200, 10_000, 0.02),
    ],
)
def test_the_share_that_is_graded(sample: int, weight: int, share: float) -> None:
    """It is the sample, or what the smaller arm and as many of the other have."""
    assert graded_share(sample, weight) == pytest.approx(share)


def test_what_is_drawn_depends_on_its_name_alone() -> None:
    """Every replica draws the same, a larger share holds the smaller one, and each purpose draws anew."""
    small = {number for number in range(2_000) if is_drawn(str(number), 0.1, "a")}
    large = {number for number in range(2_000) if is_drawn(str(number), 0.3, "a")}
    other = {number for number in range(2_000) if is_drawn(str(number), 0.1, "b")}
    assert small < large
    assert len(small & other) < len(small) / 2
    assert not is_drawn("x", 0.0, "a")
    assert is_drawn("x", 1.0, "a")
