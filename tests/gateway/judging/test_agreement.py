"""How far a judge agrees with people, and what its verdicts say of the true rate."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.judging.agreement import Agreement

_COUNT = st.integers(0, 500)


def test_kappa_is_that_of_a_worked_example() -> None:
    """Cohen's κ and its interval are those of the textbook's table: 20, 5, 10 and 15 of 50 give 0.4 ± 0.25."""
    kappa = Agreement(20, 5, 10, 15).kappa
    assert kappa is not None
    assert kappa.value == pytest.approx(0.4)
    assert (kappa.low, kappa.high) == pytest.approx((0.1511, 0.6489), abs=1e-3)


def test_equal_verdicts_are_full_agreement() -> None:
    """A judge that always finds what people find has κ = 1."""
    kappa = Agreement(30, 0, 0, 20).kappa
    assert kappa is not None
    assert (kappa.value, kappa.high) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("agreement", [Agreement(), Agreement(both_pass=40), Agreement(both_fail=40)])
def test_no_kappa_where_all_are_alike(agreement: Agreement) -> None:
    """Where there is one kind of verdict only, agreement says nothing."""
    assert agreement.kappa is None
    assert not agreement.is_trusted


def test_a_judge_that_passes_all_is_not_trusted() -> None:
    """A judge that says the same of every call agrees by chance alone: κ = 0."""
    always = Agreement(both_pass=80, judge_only=20)
    assert always.kappa is not None
    assert always.kappa.value == pytest.approx(0.0)
    assert not always.is_trusted


def test_few_labels_are_no_trust() -> None:
    """A judge is trusted from 30 labels on, at least five of them of bad calls and five of good ones."""
    assert not Agreement(20, 0, 0, 9).is_trusted
    assert not Agreement(96, 0, 0, 4).is_trusted
    assert Agreement(20, 0, 0, 10).is_trusted


@given(_COUNT, _COUNT, _COUNT, _COUNT)
def test_estimates_stay_within_bounds(a: int, b: int, c: int, d: int) -> None:
    """Whatever the counts are, κ is in -1…1, rates in 0…1, and intervals hold their estimates."""
    agreement = Agreement(a, b, c, d)
    for estimate, least in ((agreement.kappa, -1.0), (agreement.adjusted_rate(30, 100), 0.0)):
        if estimate is not None:
            assert least <= estimate.low <= estimate.value + 1e-9
            assert estimate.value <= estimate.high + 1e-9 <= 1.0 + 2e-9


def test_labels_are_counted_by_both_findings() -> None:
    """A label moves the one count that it belongs to."""
    found = Agreement()
    for judge_passes, person_passes in ((True, True), (True, False), (False, True), (False, False)):
        found = found.with_label(judge_passes=judge_passes, person_passes=person_passes)
    assert found == Agreement(1, 1, 1, 1)


def test_the_adjusted_rate_undoes_the_judges_errors() -> None:
    """With a sensitivity of 0.9 and a specificity of 0.8, 76 % passed by the judge are 80 % good calls."""
    rate = Agreement(90, 20, 10, 80).adjusted_rate(76, 100)
    assert rate is not None
    assert rate.value == pytest.approx(0.8)
    assert rate.low < 0.72 < 0.88 < rate.high


def test_no_adjusted_rate_of_a_judge_that_guesses() -> None:
    """A judge that passes bad calls as often as good ones says nothing of the rate."""
    assert Agreement(50, 50, 50, 50).adjusted_rate(50, 100) is None
    assert Agreement(both_pass=50).adjusted_rate(50, 100) is None


def test_the_adjusted_intervals_hold_the_truth() -> None:
    """The 95 % interval of the adjusted rate has the true rate in it in at least 92 of 100 simulated calibrations."""
    draw, held = random.Random(7), 0
    for _ in range(400):
        good = [draw.random() < 0.7 for _ in range(120)]
        labels = Agreement()
        for is_good in good:
            passes = draw.random() < (0.85 if is_good else 0.25)
            labels = labels.with_label(judge_passes=passes, person_passes=is_good)
        passed = sum(draw.random() < (0.85 if draw.random() < 0.7 else 0.25) for _ in range(300))
        rate = labels.adjusted_rate(passed, 300)
        held += rate is not None and rate.low <= 0.7 <= rate.high
    assert held >= 368
