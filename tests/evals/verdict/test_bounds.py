"""How much worse a version may still be."""

import random

import pytest
from scipy import stats

from evals.verdict.bounds import cases_needed, ratio_of_totals, share_at_most


@pytest.mark.parametrize(
    ("count", "cases"), [(0, 60), (1, 60), (7, 60), (59, 60), (0, 1), (300, 100_000), (99_000, 100_000)]
)
def test_a_share_is_bounded_as_clopper_and_pearson_do(count: int, cases: int) -> None:
    """The bound is the quantile of the beta distribution."""
    assert share_at_most(count, cases) == pytest.approx(stats.beta.ppf(0.95, count + 1, cases - count), rel=1e-6)


def test_where_each_case_is_worse_nothing_bounds_the_share() -> None:
    """All of such cases may be worse."""
    assert share_at_most(4, 4) == 1.0


def test_a_margin_needs_enough_cases_to_be_shown() -> None:
    """One case fewer would leave a larger share possible."""
    assert (cases_needed(0.05), cases_needed(0.1), cases_needed(0.01)) == (59, 29, 299)
    assert share_at_most(0, 59) <= 0.05 < share_at_most(0, 58)


def test_a_ratio_of_totals_has_an_interval_around_it() -> None:
    """Paired by case: costly cases are costly for both, and say little about the ratio."""
    rng = random.Random(1)
    stable = [rng.lognormvariate(0, 1) for _ in range(200)]
    found = ratio_of_totals([(1.2 * value * rng.uniform(0.9, 1.1), value) for value in stable])
    assert found and found.low and found.high
    assert found.low < 1.2 < found.high and found.high - found.low < 0.04 and found.cases == 200


def test_the_interval_covers_the_true_ratio_as_often_as_it_says() -> None:
    """In 95 of 100 suites of 30 cases, give or take what chance does."""
    rng, covered = random.Random(2), 0
    for _ in range(1000):
        found = ratio_of_totals([(rng.gammavariate(4, 1), rng.gammavariate(4, 1)) for _ in range(30)])
        covered += bool(found and found.low and found.high and found.low <= 1.0 <= found.high)
    assert 0.93 <= covered / 1000 <= 0.975


def test_too_few_cases_have_a_ratio_without_an_interval() -> None:
    """Four cases say nothing of the fifth, and free calls have no logarithm."""
    few, free = ratio_of_totals([(2.0, 1.0)] * 4), ratio_of_totals([(0.0, 1.0)] * 9)
    assert few and few.ratio == 2.0 and few.low is few.high is None
    assert free and free.ratio == 0.0 and free.low is None


def test_nothing_is_compared_with_a_total_of_zero() -> None:
    """Neither without cases nor where stable's cost is unknown."""
    assert ratio_of_totals([]) is ratio_of_totals([(1.0, 0.0)] * 9) is None
