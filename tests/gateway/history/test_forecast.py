"""Estimates of costs: near the truth, with intervals that hold it, and none from too little."""

import math
import random

import pytest

from gateway.history.forecast import compare, mean_usd, month_total, quantile_usd
from gateway.store.costs import SPREAD_GAMMA, ConversationCosts


def conversations(rng: random.Random, count: int, median_usd: float) -> ConversationCosts:
    """So many conversations with skewed costs."""
    costs = ConversationCosts()
    for _ in range(count):
        nano_usd = rng.lognormvariate(math.log(median_usd), 0.8) * 1e9
        bucket = math.ceil(math.log(nano_usd) / math.log(SPREAD_GAMMA))
        costs.merge(ConversationCosts(1, nano_usd, (nano_usd / 1000) ** 2, {bucket: 1}))
    return costs


def test_a_comparisons_interval_holds_the_truth() -> None:
    """In 93 to 97 of a hundred cases, where it says 95, although costs are skewed."""
    rng, held = random.Random(5), 0
    for _ in range(400):
        change = compare(conversations(rng, 400, 0.02), conversations(rng, 100, 0.0124))
        assert change
        held += change.relative.low <= -0.38 <= change.relative.high
    assert 0.92 <= held / 400 <= 0.98


def test_a_difference_is_that_of_the_means() -> None:
    """Relative and in US dollars, with the same sign."""
    rng = random.Random(6)
    before, after = conversations(rng, 2000, 0.02), conversations(rng, 2000, 0.01)
    change = compare(before, after)
    assert change and change.relative.value == pytest.approx(-0.5, abs=0.06)
    assert change.difference_usd.value == pytest.approx(mean_usd(after) - mean_usd(before))
    assert change.difference_usd.low < change.difference_usd.value < change.difference_usd.high < 0


def test_nothing_is_compared_on_few_conversations_or_free_ones() -> None:
    """A mean of few skewed costs says nothing."""
    rng = random.Random(7)
    assert compare(conversations(rng, 49, 1.0), conversations(rng, 500, 1.0)) is None
    assert compare(ConversationCosts(100), conversations(rng, 100, 1.0)) is None
    assert mean_usd(ConversationCosts()) == 0.0 and quantile_usd(ConversationCosts(), 0.95) is None


def test_a_quantile_is_that_of_whole_conversations() -> None:
    """Within the width of a bucket; what a day has below zero, because it began on the day before, is nothing."""
    rng = random.Random(8)
    costs = conversations(rng, 3000, 0.02)
    costs.histogram[-5] = -3
    assert quantile_usd(costs, 0.95) == pytest.approx(0.02 * math.exp(1.645 * 0.8), rel=0.1)


def test_a_month_is_what_its_days_cost() -> None:
    """What is spent, the rest of today, and the days to come; the interval holds the truth in 95 of a hundred."""
    rng, held = random.Random(9), 0
    for _ in range(500):
        days = [rng.gauss(10, 2) for _ in range(14)]
        truth = sum(days[-4:]) + sum(rng.gauss(10, 2) for _ in range(20))
        month = month_total(sum(days[-4:]), 0.0, days, 19)
        assert month
        held += month.low <= truth <= month.high
    assert 0.92 <= held / 500 <= 0.98


def test_no_month_is_told_from_less_than_a_week() -> None:
    """And none that costs less than is spent already."""
    assert month_total(5.0, 1.0, [1.0] * 6, 10) is None
    month = month_total(100.0, 50.0, [1.0, 90.0, 1.0, 1.0, 1.0, 1.0, 1.0], 1)
    assert month and month.low == 150.0 < month.value
