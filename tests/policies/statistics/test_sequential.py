"""E-values: the formulae computed another way, and the promise that they are built for, enumerated exactly."""

import math
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from policies.statistics.sequential import ABSOLUTE_GRID, GRID, absolute_e_value, floor_e_value, ratio_e_value

BASIS_POINTS = st.integers(1, 9999)
FEW = st.integers(0, 40)
RATIOS = st.integers(100, 10_000)  # hundredths
HUGE = (0, 1, 3, 10**6, 2**53, 2**63 - 1, 2**63)


def share(ratio: Fraction, weight: Fraction) -> Fraction:
    """The canary's share of the bad events when it is `ratio` times as bad as stable, from the two arms' rates."""
    canary, stable = ratio * weight, 1 - weight
    return canary / (canary + stable)


def mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def exact_ratio(canary: int, stable: int, weight: Fraction, ratio: Fraction) -> Fraction:
    """T1 as a mean of likelihood ratios, multiplied out in fractions."""
    null = share(ratio, weight)
    bets = [share(ratio * Fraction(str(multiple)), weight) for multiple in GRID]
    return mean([(bet / null) ** canary * ((1 - bet) / (1 - null)) ** stable for bet in bets])


def exact_rate(failing: int, good: int, rate: Fraction, bets: list[Fraction]) -> Fraction:
    return mean([(bet / rate) ** failing * ((1 - bet) / (1 - rate)) ** good for bet in bets])


@given(FEW, FEW, BASIS_POINTS, RATIOS)
def test_t1_is_the_mean_of_its_likelihood_ratios(canary: int, stable: int, points: int, hundredths: int) -> None:
    """The logarithms agree with plain products of fractions."""
    weight, ratio = Fraction(points, 10_000), Fraction(hundredths, 100)
    expected = float(exact_ratio(canary, stable, weight, ratio))
    assert ratio_e_value(canary, stable, float(weight), float(ratio)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("canary", "stable"), [(0, 0), (3, 10), (40, 190), (2, 400)])
def test_t1_is_a_mixture_of_binomial_likelihoods(canary: int, stable: int) -> None:
    """Of all bad events the canary's are binomial: scipy's densities under the bets, over that under the null."""
    events = canary + stable
    null = stats.binom.pmf(canary, events, 1.25 * 0.05 / (1.25 * 0.05 + 0.95))
    bets = [stats.binom.pmf(canary, events, g * 0.0625 / (g * 0.0625 + 0.95)) for g in GRID]
    assert ratio_e_value(canary, stable, 0.05, 1.25) == pytest.approx(sum(bets) / len(bets) / null)


def test_other_bets_may_be_placed() -> None:
    """A canary that gets too little is as suspect as one that gets too much, where both are bet on."""
    assert ratio_e_value(10, 990, 0.05, 1.0, (0.2, 5.0)) > 1e6 > 1 > ratio_e_value(10, 990, 0.05, 1.0)


def test_one_failure_of_the_canary_at_five_percent() -> None:
    """By hand: mean over g of g * (1.25 * 0.05 + 0.95) / (1.25 * g * 0.05 + 0.95)."""
    by_hand = sum(g * 1.0125 / (0.0625 * g + 0.95) for g in GRID) / 8
    assert ratio_e_value(1, 0, 0.05, 1.25) == pytest.approx(by_hand)


@given(FEW, FEW, st.sampled_from(["0.005", "0.02"]))
def test_the_floor_is_the_mean_of_its_likelihood_ratios(failing: int, good: int, text: str) -> None:
    """Bets are multiples of the floor, none beyond 99 %."""
    floor = Fraction(text)
    bets = [min(floor * Fraction(str(g)), Fraction(99, 100)) for g in GRID]
    expected = float(exact_rate(failing, good, floor, bets))
    assert floor_e_value(failing, failing + good, float(floor)) == pytest.approx(expected, rel=1e-9)


@given(FEW, FEW, st.integers(1, 99))
def test_the_absolute_guard_is_the_mean_of_its_likelihood_ratios(failing: int, good: int, percent: int) -> None:
    """Bets lie between the limit and 1."""
    limit = Fraction(percent, 100)
    bets = [limit + (1 - limit) * Fraction(str(part)) for part in ABSOLUTE_GRID]
    expected = float(exact_rate(failing, good, limit, bets))
    assert absolute_e_value(failing, failing + good, float(limit)) == pytest.approx(expected, rel=1e-9)


@given(FEW, FEW, BASIS_POINTS, RATIOS, st.integers(0, 100))
def test_the_next_bad_event_is_worth_nothing_on_average(
    canary: int, stable: int, points: int, hundredths: int, percent: int
) -> None:
    """While the canary is at the boundary T1's mean step is exactly 1, and below the boundary at most 1."""
    weight, ratio = Fraction(points, 10_000), Fraction(hundredths, 100)
    for truth, bound in ((ratio, 1 - 1e-6), (ratio * percent / 100, 0.0)):
        hit = float(share(truth, weight))
        now, bad, good = (
            ratio_e_value(canary + more, stable + other, float(weight), float(ratio))
            for more, other in ((0, 0), (1, 0), (0, 1))
        )
        assert bound * now <= hit * bad + (1 - hit) * good <= (1 + 1e-6) * now


@pytest.mark.parametrize("calls", range(13))
def test_over_all_outcomes_the_mean_is_one(calls: int) -> None:
    """Every sequence of up to 12 events, weighed by its probability under the null, for all three e-values."""
    null = float(share(Fraction(5, 4), Fraction(1, 20)))
    of_ratio = sum(
        comb(calls, k) * null**k * (1 - null) ** (calls - k) * ratio_e_value(k, calls - k, 0.05, 1.25)
        for k in range(calls + 1)
    )
    of_rate = [
        sum(comb(calls, k) * rate**k * (1 - rate) ** (calls - k) * e_value(k, calls, rate) for k in range(calls + 1))
        for e_value, rate in ((floor_e_value, 0.005), (absolute_e_value, 0.2))
    ]
    assert [of_ratio, *of_rate] == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize(("weight", "ratio"), [(0.05, 1.25), (0.5, 1.0), (0.05, 1.0), (0.9, 1.25)])
def test_looking_after_every_event_breaks_the_promise_in_one_percent_at_most(weight: float, ratio: float) -> None:
    """P(E is ever >= 100) within 300 bad events at the boundary, exact: a walk over all paths that did not end."""
    hit = ratio * weight / (ratio * weight + 1 - weight)
    ended, alive = 0.0, {0: 1.0}  # the canary's events so far -> the probability of being there
    for events in range(1, 301):
        reached: dict[int, float] = {}
        for canary, probability in alive.items():
            reached[canary] = reached.get(canary, 0.0) + probability * (1 - hit)
            reached[canary + 1] = reached.get(canary + 1, 0.0) + probability * hit
        proven = {canary for canary in reached if ratio_e_value(canary, events - canary, weight, ratio) >= 100}
        ended += sum(reached.pop(canary) for canary in proven)
        alive = reached
    assert 0 < ended <= 0.01


@given(FEW, FEW, BASIS_POINTS, RATIOS)
def test_a_failure_of_the_canary_raises_t1_and_one_of_stable_lowers_it(
    canary: int, stable: int, points: int, hundredths: int
) -> None:
    """So the failing call itself can decide, and no other has to be waited for."""
    weight, ratio = points / 10_000, hundredths / 100
    here = ratio_e_value(canary, stable, weight, ratio)
    assert ratio_e_value(canary + 1, stable, weight, ratio) > here > ratio_e_value(canary, stable + 1, weight, ratio)


@given(st.integers(1, 500), st.integers(0, 500), st.integers(1, 99))
def test_a_failing_call_raises_a_rate_and_a_good_one_lowers_it(failing: int, good: int, percent: int) -> None:
    """Up to where a double ends."""
    for e_value, rate in ((floor_e_value, 0.005), (absolute_e_value, percent / 100)):
        here = e_value(failing, failing + good, rate)
        assert e_value(failing + 1, failing + good, rate) >= here >= e_value(failing, failing + good + 1, rate)


@given(st.integers(0, 2**40), st.integers(0, 2**40), BASIS_POINTS, RATIOS)
def test_a_canary_with_no_more_than_its_share_of_the_failures_is_not_suspect(
    one: int, other: int, points: int, hundredths: int
) -> None:
    """T1 stays at 1 or below, whatever the numbers."""
    canary, stable = sorted((one * points, other * points))
    stable = max(stable, canary * (10_000 - points) // points + 1)
    assert ratio_e_value(canary, stable, points / 10_000, hundredths / 100) <= 1 + 1e-9


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.1, 1.1])
def test_without_two_arms_there_is_nothing_to_compare(weight: float) -> None:
    """A weight of nothing or of all is no evidence, whatever was counted."""
    assert ratio_e_value(1000, 0, weight, 1.25) == 1.0


def test_no_events_are_no_evidence() -> None:
    """Every e-value begins at 1."""
    begun = [ratio_e_value(0, 0, 0.05, 1.25), floor_e_value(0, 0, 0.005), absolute_e_value(0, 0, 0.2)]
    assert begun == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("canary", HUGE)
@pytest.mark.parametrize("stable", HUGE)
def test_the_largest_counters_give_a_finite_number(canary: int, stable: int) -> None:
    """Counts near 2^63, at the first and the last basis point."""
    values = [ratio_e_value(canary, stable, weight, ratio) for weight in (1e-4, 0.9999) for ratio in (1.0, 100.0)]
    values += [floor_e_value(canary, stable, 0.005), absolute_e_value(canary, stable, 0.2)]
    assert all(math.isfinite(value) and value >= 0 for value in values)


def test_more_failures_than_requests_count_as_failures_alone() -> None:
    """Two sums that were read a moment apart do not turn into negative good calls."""
    assert floor_e_value(3, 2, 0.005) == floor_e_value(3, 3, 0.005)
