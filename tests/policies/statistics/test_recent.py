"""A limit that is broken after long health: found by the last checks, and never more often than promised."""

from collections.abc import Iterable
from itertools import product

import pytest

from policies.statistics.recent import KEPT, recent_e_value
from policies.statistics.sequential import absolute_e_value

LIMIT = 0.2
WINDOW = 8  # checks


def e_value(checks: Iterable[bool], limit: float = LIMIT, window: int = WINDOW, batch: int = 1) -> float:
    """The evidence of these checks, True for one that fails, as the store keeps them.

    A batch of them lies in the window in which it begins.
    """
    failing: dict[int, float] = {}
    good: dict[int, int] = {}
    for number, fails in enumerate(checks):
        index = number // batch * batch // window
        failing[index], good[index] = failing.get(index, 0) + fails, good.get(index, 0) + (not fails)
    latest = [index for index in good if index > max(good) - KEPT]
    recent = {index: failing[index] for index in latest}, {index: good[index] for index in latest}
    return recent_e_value(sum(failing.values()), sum(good.values()), *recent, limit)


def test_without_checks_nothing_is_shown() -> None:
    """All weight waits."""
    assert e_value([]) == 1.0


@pytest.mark.parametrize(("window", "batch"), [(1, 1), (3, 1), (1, 4), (2, 5)])
@pytest.mark.parametrize("limit", [0.05, 0.2, 0.6])
def test_the_mean_is_at_most_one_on_the_limit(limit: float, window: int, batch: int) -> None:
    """Exactly, over all outcomes of ten checks, and of each number before that."""
    for count in range(1, 11):
        outcomes = product((True, False), repeat=count)
        mean = sum(
            limit ** sum(each) * (1 - limit) ** (count - sum(each)) * e_value(each, limit, window, batch)
            for each in outcomes
        )
        assert mean <= 1 + 1e-9


@pytest.mark.parametrize(("healthy", "most"), [(0, 9), (100, 22), (3500, 30), (860_000, 34)])
def test_a_break_after_any_health_is_found_within_some_tens(healthy: int, most: int) -> None:
    """A day of ten checks a second costs some twenty more failing ones than none at all."""
    whole, windows = healthy, range(max(healthy // WINDOW - KEPT, 0), healthy // WINDOW + 1)
    good = {index: min(WINDOW, healthy - index * WINDOW) for index in windows}
    bad: dict[int, float] = {}
    for count in range(1, most + 1):
        index = (healthy + count - 1) // WINDOW
        bad[index] = bad.get(index, 0) + 1
    assert recent_e_value(most, whole, bad, good, LIMIT) >= 1e4
    assert absolute_e_value(most, whole + most, LIMIT) >= 1e4 or healthy
    assert recent_e_value(4, whole, {index: 4}, good, LIMIT) < 1e4


def test_a_window_without_checks_takes_no_weight_away() -> None:
    """A large batch fills several windows and lies in the first: what begins in the others begins with the next."""
    whole, bad, good = (9.0, 40), {50: 2.0, 60: 7.0}, {50: 30, 60: 1}
    every_window = dict.fromkeys(range(50, 61), 0) | good
    assert recent_e_value(*whole, bad, good, LIMIT) == pytest.approx(recent_e_value(*whole, bad, every_window, LIMIT))


def test_a_break_is_found_as_soon_in_large_batches() -> None:
    """A busy replica sends eighty checks at a time: most windows have none."""
    assert e_value((number >= 4000 for number in range(4012)), batch=80) >= 1e4


def test_a_rate_just_beyond_the_limit_is_found_by_all_checks() -> None:
    """No window is long enough for it."""
    assert e_value(number % 4 == 0 for number in range(4000)) > 1e4
    assert e_value(number % 6 == 0 for number in range(4000)) < 1
