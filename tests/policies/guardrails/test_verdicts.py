"""The verdict in a word: whatever the numbers are, the word never contradicts them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import HOLD_THRESHOLD, MIN_UNITS, Finding
from policies.guardrails.verdicts import Verdict, verdict

GUARDRAILS = [parse(text) for text in DEFAULT_GUARDRAILS]
SHARES = st.sampled_from([0.0, 0.15, 0.4, 1.0])
VALUES = st.none() | st.floats(0, 1)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """Any finding: one party's calls may show more than all others', never less."""
    e_value = draw(st.floats(0, 1e6))
    more = draw(st.floats(1, 100))
    return Finding(
        draw(st.sampled_from(GUARDRAILS)), e_value, draw(SHARES), draw(VALUES), draw(VALUES), e_value * more,
        draw(st.integers(0, 100)), draw(st.booleans()),
    )  # fmt: skip


GOOD = Finding(GUARDRAILS[0], 1.0, 0.4, 0.01, 0.01, 1.0, MIN_UNITS)


@pytest.mark.parametrize(
    ("finding", "is_beyond", "word"),
    [
        (GOOD, False, "fine"),
        (GOOD, True, "watching"),
        (replace(GOOD, units=MIN_UNITS - 1), False, "watching"),
        (replace(GOOD, canary=None), False, "no data"),
        (replace(GOOD, stable=None), False, "no data"),
        (replace(GOOD, stable=None, guardrail=GUARDRAILS[-1], share=0.0), False, "fine"),
        (replace(GOOD, e_value=10.0, unbounded=10.0), False, "suspect"),
        (replace(GOOD, unbounded=250.0), False, "suspect"),
        (replace(GOOD, e_value=250.0, unbounded=250.0), False, "breached"),
        (replace(GOOD, is_proven=True), False, "breached"),
    ],
)
def test_every_word_has_its_case(finding: Finding, is_beyond: bool, word: Verdict) -> None:
    """Measured, seen often enough, within its limit and not suspected is `fine`; all else has another word."""
    assert verdict(finding, is_beyond=is_beyond) == word


@given(findings(), st.booleans())
def test_a_breach_has_its_proof_and_what_has_none_is_no_breach(finding: Finding, is_beyond: bool) -> None:
    """`breached` exactly where a rollback rests on it, or the evidence that counts reaches the threshold."""
    is_proven = finding.is_proven or finding.weighed >= finding.guardrail.threshold
    assert (verdict(finding, is_beyond=is_beyond) == "breached") is is_proven


@given(findings(), st.booleans())
def test_fine_needs_data_and_a_value_within_the_limit(finding: Finding, is_beyond: bool) -> None:
    """A canary without calls, with few units, beyond its limit or under suspicion is never `fine`."""
    if verdict(finding, is_beyond=is_beyond) == "fine":
        assert finding.canary is not None and finding.units >= MIN_UNITS and not is_beyond
        assert finding.e_value < HOLD_THRESHOLD and not finding.breached_by_all


@given(findings(), st.booleans())
def test_no_data_is_said_of_nothing_that_was_measured(finding: Finding, is_beyond: bool) -> None:
    """And a comparison with stable needs both values."""
    if verdict(finding, is_beyond=is_beyond) == "no data":
        assert finding.canary is None or (finding.guardrail.relative and finding.stable is None)
        assert finding.e_value < HOLD_THRESHOLD


@given(findings(), st.booleans(), st.floats(1, 100))
def test_more_evidence_never_sounds_better(finding: Finding, is_beyond: bool, times: float) -> None:
    """The words are in the order of the evidence."""
    order = ["no data", "fine", "watching", "suspect", "breached"]
    more = Finding(
        finding.guardrail, finding.e_value * times, finding.share, finding.stable, finding.canary,
        finding.unbounded * times, finding.units, finding.is_proven,
    )  # fmt: skip
    before, after = (order.index(verdict(each, is_beyond=is_beyond)) for each in (finding, more))
    assert after >= before
