"""T2: whether one mean exceeds another, from sums."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from policies.statistics.means import BINS, MIN_REQUESTS, Sample, mean_e_value
from tests.policies.evidences import sample

VALUES = st.lists(st.integers(0, 10_500), max_size=30)


def of(values: list[int], bins: int = BINS) -> Sample:
    held = tuple((float(sum(values[index::bins])), len(values[index::bins])) for index in range(bins))
    return Sample(len(values), sum(values), sum(value * value for value in values), held)


@pytest.mark.parametrize(("n", "z"), [(100, 0.0), (100, 2.5), (400, -1.0), (2000, 4.0), (20_000, 1.0)])
def test_t2_is_the_mixture_over_a_half_normal_prior(n: int, z: float) -> None:
    """Integrated numerically: exp(a·S - a²·n/2) over a prior |N(0, 1/50)|, with S = z·√n."""
    s, spread = z * math.sqrt(n), 1 / math.sqrt(50)

    def bet(a: float) -> float:
        return float(2 * stats.norm.pdf(a, scale=spread) * math.exp(a * s - a * a * n / 2))

    expected, _ = integrate.quad(bet, 0, 3, points=[max(z, 0.1) / math.sqrt(n)], limit=200)
    stable = Sample(10**15, 10**15, 2 * 10**15)  # its mean of 1 is known all but exactly
    shifted = sample(n, 1 + z / math.sqrt(n))
    assert mean_e_value(shifted, stable, 1.0) == pytest.approx(expected, rel=1e-3)


def test_the_closed_form() -> None:
    """½·ln(4r/(n+r)) + S²/(2(n+r)) + ln Φ(S/√(n+r)) with r = 50, as published."""
    canary, stable = sample(400, 1.2), sample(7600, 1.0)
    se = math.sqrt(1 / 400 + 1.05**2 / 7600)
    s = (1.2 - 1.05) / se * 20
    expected = 0.5 * math.log(200 / 450) + s * s / 900 + stats.norm.logcdf(s / math.sqrt(450))
    assert math.log(mean_e_value(canary, stable, 1.05)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("canary", "stable"),
    [
        (sample(MIN_REQUESTS - 1, 9.0), sample(5000, 1.0)),
        (sample(5000, 9.0), sample(MIN_REQUESTS - 1, 1.0)),
    ],
)
def test_too_few_calls_say_nothing(canary: Sample, stable: Sample) -> None:
    """Neither for nor against."""
    assert mean_e_value(canary, stable, 1.0) == 1.0


def test_a_canary_that_is_far_cheaper_is_worth_nothing() -> None:
    """Not a logarithm of zero."""
    assert mean_e_value(sample(10_000, 1.0), sample(10_000, 100.0), 1.0) == 0.0


def test_values_that_never_vary_still_prove_a_difference() -> None:
    """Prompts and answers of one length, a tenth dearer: without a least spread nothing could be said of them."""
    constant = Sample(500, 500.0, 500.0)
    assert mean_e_value(constant, constant, 1.0) < 1.0
    assert mean_e_value(Sample(500, 550.0, 605.0), constant, 1.05) > 1e6


def test_nothing_at_all_says_nothing() -> None:
    """Calls that were free on both arms."""
    assert mean_e_value(Sample(500), Sample(500), 1.05) == 1.0


def test_clusters_widen_the_variance() -> None:
    """Bins that stray from the mean count for more than the requests in them do."""
    together = Sample(320, 320.0, 640.0, [(20.0, 10)] * 16 + [(0.0, 10)] * 16)
    assert together.variance_of_mean == pytest.approx(32 / 31 * 32 * 100 / 320**2)
    assert together.variance_of_mean > Sample(320, 320.0, 640.0).variance_of_mean == 1 / 320


def test_one_bin_is_no_measure_of_clusters() -> None:
    """The requests have to do."""
    assert Sample(10, 10.0, 20.0, [(10.0, 10)]).variance_of_mean == 0.1
    assert Sample().mean == 0.0


@given(VALUES, VALUES)
def test_merged_sums_are_the_sums_of_all(one: list[int], other: list[int]) -> None:
    """Bin by bin, in any order, and with nothing it stays what it is."""
    merged = of(one, 1).merged(of(other, 1))
    assert (merged.n, merged.total, merged.squares) == (
        of(one + other).n,
        of(one + other).total,
        of(one + other).squares,
    )
    assert merged == of(other, 1).merged(of(one, 1))
    assert Sample().merged(of(one)).bins == of(one).bins == of(one).merged(Sample()).bins


def test_it_keeps_its_promise_on_skewed_values() -> None:
    """A lognormal cost that is the same on both arms, looked at every 20 calls: 1 in 100 of 400 runs at most."""
    rng, false = random.Random(5), 0
    for _ in range(400):
        canary, stable = Sample(), Sample()
        for _ in range(50):
            drawn = [min(rng.lognormvariate(0, 0.7), 5.1) for _ in range(20)]
            canary = canary.merged(Sample(20, sum(drawn), sum(x * x for x in drawn)))
            others = [min(rng.lognormvariate(0, 0.7), 5.1) for _ in range(40)]
            stable = stable.merged(Sample(40, sum(others), sum(x * x for x in others)))
            if mean_e_value(canary, stable, 1.0) >= 100:
                false += 1
                break
    assert false <= 4
