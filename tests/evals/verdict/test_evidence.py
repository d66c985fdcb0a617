"""Evidence from cases on which two versions differ."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.verdict.evidence import flips_needed, log_e_value, log_mean

COUNTS = st.integers(0, 40)


def exact(worse: int, better: int) -> Fraction:
    """E as a fraction: the integral over λ of the polynomial, term by term."""
    coefficients = [Fraction(1)]
    for root in [1] * worse + [-1] * better:
        shifted = [Fraction(0), *(root * value for value in coefficients)]
        coefficients = [a + b for a, b in zip([*coefficients, Fraction(0)], shifted, strict=True)]
    return sum((value / (power + 1) for power, value in enumerate(coefficients)), Fraction(0))


def by_rule(worse: int, better: int) -> float:
    """ln E by the trapezoidal rule, scaled by the peak so that nothing overflows."""
    steps = 400_000
    curve = [
        worse * math.log1p(step / steps) + (better * math.log1p(-step / steps) if better else 0.0)
        for step in range(steps)
    ]
    top = max(curve)
    return top + math.log(math.fsum(math.exp(value - top) for value in curve) / steps)


@given(COUNTS, COUNTS)
def test_the_value_is_the_integral(worse: int, better: int) -> None:
    """To the last digits of a double, for any counts."""
    assert math.exp(log_e_value(worse, better)) == pytest.approx(float(exact(worse, better)), rel=1e-12)


def test_seven_flips_prove_harm_at_five_percent_and_nine_at_one() -> None:
    """Each case worse, none better: one fewer is no proof."""
    assert flips_needed(math.log(20)) == 7 and log_e_value(6, 0) < math.log(20) <= log_e_value(7, 0)
    assert flips_needed(math.log(100)) == 9 and log_e_value(8, 0) < math.log(100) <= log_e_value(9, 0)
    assert flips_needed(math.log(20), better=3) > 7 and flips_needed(0.0) == 0


def test_a_hundred_thousand_cases_neither_overflow_nor_cancel() -> None:
    """Where a closed form or a plain sum gives the value, the logarithm agrees with it."""
    n = 100_000
    assert log_e_value(n, 0) == pytest.approx((n + 1) * math.log(2) - math.log(n + 1), rel=1e-12)
    assert log_e_value(0, n) == pytest.approx(-math.log(n + 1), rel=1e-12)
    assert log_e_value(n, 60_000) == pytest.approx(by_rule(n, 60_000), rel=1e-6)
    assert log_e_value(n, n) == pytest.approx(math.log(math.sqrt(math.pi / n) / 2), rel=1e-4)


def test_no_case_is_no_evidence() -> None:
    """Nothing seen is worth 1, and cases that are better are worth less."""
    assert log_e_value(0, 0) == 0.0 and log_e_value(0, 9) == pytest.approx(math.log(0.1))


@given(COUNTS, COUNTS)
def test_the_next_case_gains_nothing_on_average(worse: int, better: int) -> None:
    """What makes it valid at every look: for equal versions the mean of the next value is this one."""
    after = [math.exp(log_e_value(worse + 1, better)), math.exp(log_e_value(worse, better + 1))]
    assert sum(after) / 2 == pytest.approx(math.exp(log_e_value(worse, better)), rel=1e-10)


def test_a_mean_of_e_values_is_taken_where_exponentials_would_overflow() -> None:
    """From logarithms to a logarithm."""
    assert log_mean([5000.0, 0.0]) == pytest.approx(5000.0 - math.log(2))
