"""Seeded simulations: a bad canary is out within a handful of its calls, and a blameless one stays in."""

import pytest

from bench.detection import NEVER, World, percentile, rollouts


@pytest.mark.parametrize(("rate", "bar"), [(1.0, 8), (0.5, 20), (0.3, 200), (0.1, 200), (0.05, 700), (0.03, 2300)])
def test_a_failing_canary_is_rolled_back_in_time(rate: float, bar: int) -> None:
    """At 5 % of the traffic over a stable version with 1 % errors, 95 of 100 rollouts end within the bar."""
    assert percentile(rollouts(World(rate), 300, limit=10_000, seed=1), 0.95) <= bar


def test_an_identical_canary_stays() -> None:
    """300 rollouts of 5,000 canary calls: at most the promised 1 % are rolled back."""
    false = sum(value < NEVER for value in rollouts(World(0.01), 300, limit=5000, seed=2))
    assert false <= 3


def test_conversations_that_fail_as_a_whole_are_no_evidence() -> None:
    """Units of ten calls that fail in all of them count once each, so an identical canary stays here too."""
    false = sum(value < NEVER for value in rollouts(World(0.01, calls=10), 300, limit=10_000, seed=3))
    assert false <= 3


def test_an_outage_of_both_arms_blames_nobody() -> None:
    """200 rollouts of 2,000 canary calls with 30 % errors on both arms: not one is rolled back."""
    assert rollouts(World(0.3, stable=0.3), 200, limit=2000, seed=4) == [NEVER] * 200


def test_a_total_outage_blames_nobody() -> None:
    """Where everything fails on both arms, the canary is no worse than stable."""
    assert rollouts(World(1.0, stable=1.0), 100, limit=300, seed=5) == [NEVER] * 100
