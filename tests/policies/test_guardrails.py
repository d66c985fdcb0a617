"""Guardrails: what can be written, and what one says about the evidence."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.guardrails import (
    ABSOLUTE_THRESHOLD,
    DEFAULT_GUARDRAILS,
    MAX_STABLE_FAILING,
    THRESHOLD,
    Evidence,
    Finding,
    Guardrail,
    assess,
    parse,
    worst,
)
from policies.sequential import absolute_e_value, floor_e_value, ratio_e_value

RATIO, ABSOLUTE = map(parse, DEFAULT_GUARDRAILS)
BAD = Evidence(0.05, 20, 10, 10, 380, 4, 4)


def finding(guardrail: Guardrail, evidence: Evidence) -> Finding:
    return assess([guardrail], evidence)[0]


@pytest.mark.parametrize(
    ("text", "relative", "limit"),
    [
        ("error_rate <= stable * 1.25", True, 1.25),
        ("error_rate<=stable*2", True, 2.0),
        ("  error_rate  <=  stable  *  150%  ", True, 1.5),
        ("error_rate <= 20%", False, 0.2),
        ("error_rate <= 0.2", False, 0.2),
        ("error_rate <= 99%", False, 0.99),
    ],
)
def test_a_guardrail_is_read(text: str, relative: bool, limit: float) -> None:
    """White space is free, and so is the percent sign; the text is kept for the record."""
    assert parse(text) == Guardrail(text.strip(), "error_rate", relative, limit)


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("error_rate < 20%", "write 'error_rate <= stable * 1.25' or 'error_rate <= 20%'"),
        ("error_rate <= stable * -1", "write"),
        ("error_rate <= 1e-2", "write"),
        ("error_rate <= 20% or so", "write"),
        ("error_rate <= ٢٠%", "write"),
        ("error_rate <= stable", "write"),
        ("", "write"),
        ("errors <= 20%", "known: error_rate"),
        ("error_rate <= stable * 0.9", "between 1 and 100, such as 1.25"),
        ("error_rate <= stable * 101", "between 1 and 100, such as 1.25"),
        ("error_rate <= 0%", "at most 99%, such as 20%"),
        ("error_rate <= 99.99999999999999%", "at most 99%, such as 20%"),
        ("error_rate <= 20", "at most 99%, such as 20%"),
    ],
)
def test_what_cannot_be_read_says_the_way_out(text: str, way_out: str) -> None:
    """The message names what was written and what can be."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert repr(text) in str(caught.value) or "'errors'" in str(caught.value)
    assert way_out in str(caught.value)


@given(st.integers(1, 99), st.integers(0, 2**63), st.integers(0, 2**63), st.integers(0, 10_000))
def test_whatever_can_be_written_can_be_assessed(percent: int, failing: int, stable: int, points: int) -> None:
    """No counts and no limit let the decision fail."""
    evidence = Evidence(points / 10_000, failing, failing, failing, stable, stable, stable)
    for text in (f"error_rate <= {percent}%", f"error_rate <= stable * {percent}"):
        assert finding(parse(text), evidence).e_value >= 0


def test_a_ratio_needs_a_canary_worse_than_stable_and_above_the_floor() -> None:
    """The e-value is the smaller of the two, each of which is right about its own null."""
    expected = min(ratio_e_value(10, 4, 0.05, 1.25), floor_e_value(10, 20, 0.005))
    assert finding(RATIO, BAD).e_value == expected
    assert finding(RATIO, BAD).verdict == "fail"


def test_a_canary_below_the_floor_is_left_alone() -> None:
    """Ten times as bad as stable, and still only one call in 2,000."""
    rare = Evidence(0.05, 100_000, 50, 50, 1_900_000, 95, 95)
    assert ratio_e_value(50, 95, 0.05, 1.25) > 1e6
    assert finding(RATIO, rare).verdict == "inconclusive"


def test_two_failing_units_prove_nothing() -> None:
    """However strong the numbers: a canary at 0.01 % that fails at once has to do so for a third unit."""
    two = Evidence(0.0001, 2, 2000, 2)
    assert finding(RATIO, two).e_value > THRESHOLD
    assert finding(RATIO, two).verdict == "inconclusive"
    assert finding(RATIO, replace(two, canary_requests=3, canary_failing=3)).verdict == "fail"


def test_failing_units_count_and_not_their_calls() -> None:
    """A conversation that fails a thousand times is one failure; the rates shown are those of the calls."""
    loud = replace(BAD, canary_requests=1020, canary_errors=1010)
    shown = finding(RATIO, loud)
    assert shown.e_value == min(ratio_e_value(10, 4, 0.05, 1.25), floor_e_value(10, 1020, 0.005))
    assert (shown.stable, shown.canary) == (4 / 380, 1010 / 1020)


def test_before_the_first_call_there_is_no_rate() -> None:
    """Neither 0 nor 100 %."""
    begun = finding(RATIO, Evidence(0.05))
    assert (begun.verdict, begun.e_value, begun.stable, begun.canary) == ("inconclusive", 1.0, None, None)


def test_an_outage_of_both_arms_is_no_breach() -> None:
    """Everything fails everywhere: the absolute guard asks whether the canary is worse before it acts."""
    outage = Evidence(0.05, 500, 500, 500, 9500, 9500, 9500)
    assert {found.verdict for found in assess([RATIO, ABSOLUTE], outage)} == {"inconclusive"}


def test_luck_in_an_outage_is_no_breach() -> None:
    """Half the canary's calls fail, and a few more of its own than its share: 1 in 40 outages looks like that."""
    lucky = Evidence(0.05, 44, 23, 23, 836, 184, 184)
    assert absolute_e_value(23, 44, 0.2) > ABSOLUTE_THRESHOLD
    assert 10 < finding(ABSOLUTE, lucky).e_value == ratio_e_value(23, 184, 0.05, 1.0) < THRESHOLD
    assert {found.verdict for found in assess([RATIO, ABSOLUTE], lucky)} == {"inconclusive"}


def test_the_absolute_guard_holds_alone_when_stable_is_unseen_for_five_minutes() -> None:
    """Nothing is left to compare with, so the rate itself decides."""
    failing = Evidence(1.0, 50, 50, 50, control_unseen_seconds=299.9)
    assert finding(ABSOLUTE, failing).e_value == 1.0
    alone = finding(ABSOLUTE, replace(failing, control_unseen_seconds=300.0))
    assert (alone.e_value, alone.verdict) == (absolute_e_value(50, 50, 0.2), "fail")


def test_the_absolute_guard_takes_out_what_is_worse_but_not_by_the_ratio() -> None:
    """40 % over 30 % is no breach of `stable * 2`, and one of 20 % when stable is better beyond doubt."""
    worse = Evidence(0.5, 4000, 1600, 1600, 4000, 1200, 1200)
    assert finding(parse("error_rate <= stable * 2"), worse).verdict == "inconclusive"
    assert finding(ABSOLUTE, worse).verdict == "fail"


def test_a_stable_arm_that_is_no_longer_counted_is_no_comparison() -> None:
    """The set of failing units is full: the canary's would go on growing, and would look ever worse."""
    full = Evidence(0.05, 500_000, 5000, 5000, 9_500_000, 95_000, MAX_STABLE_FAILING)
    assert ratio_e_value(5000, MAX_STABLE_FAILING, 0.05, 1.25) > 1e100
    assert [found.e_value for found in assess([RATIO, ABSOLUTE], full)] == [1.0, pytest.approx(0.0)]


def test_the_worst_finding_is_the_nearest_to_its_own_threshold() -> None:
    """50 of 100 is nearer than 500 of 10,000."""
    near = Finding(RATIO, "inconclusive", 50.0, None, None)
    far = Finding(ABSOLUTE, "inconclusive", 500.0, None, None)
    assert worst([far, near]) is near
    assert worst([]) is None
