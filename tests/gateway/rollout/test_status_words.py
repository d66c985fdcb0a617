"""The words for measured numbers: units, ratios beside their limits, and what an E-value means."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rollout.status_view import CountsView
from gateway.rollout.status_words import comparison, counts, evidence_number, in_unit, metric_name, rarity
from tests.support.views import FINDING

RELATIVE: dict[str, Any] = {"relative": True, "limit": 1.25}


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0006, "share", "0.06 %"), (0.041, "share", "4.1 %"), (0.4332, "share", "43 %"), (1.0, "share", "100 %"),
        (0.0, "share", "0 %"), (0.0853, "seconds", "85.3 ms"), (1.324, "seconds", "1.32 s"), (300, "seconds", "5 min"),
        (0.00431, "usd", "$0.00431"), (1.25, "usd", "$1.25"), (0.0, "usd", "$0"), (1240.4, "tokens", "1,240 tokens"),
        (None, "usd", "–"),
    ],
)  # fmt: skip
def test_a_value_is_shown_in_its_own_unit(value: float | None, unit: str, shown: str) -> None:
    """Shares, durations, dollars and tokens, with the digits that matter."""
    assert in_unit(value, unit) == shown


def test_a_ratio_stands_beside_its_limit() -> None:
    """So does an absolute value; a ratio to nothing is said in words."""
    assert comparison(FINDING) == "50 %, limit 20 %"
    assert comparison(replace(FINDING, **RELATIVE, ratio=1.9, stable=0.1)) == "1.9 × stable, limit 1.25 ×"
    assert comparison(replace(FINDING, **RELATIVE, stable=0.0)) == "stable has none, limit 1.25 ×"
    assert comparison(replace(FINDING, **RELATIVE, stable=0.0, canary=0.0)) == "equal, limit 1.25 ×"
    assert comparison(replace(FINDING, **RELATIVE, canary=None)) == "not comparable yet, limit 1.25 ×"


def test_counts_stand_behind_a_value() -> None:
    """Bad ones of all, or the number of calls behind a mean."""
    assert counts(CountsView(41, 96)) == "41 of 96" and counts(CountsView(None, 1200)) == "1,200 calls"
    assert counts(None) == "" and counts(CountsView(None, 1200), "calls") == "of 1,200 conversations"
    assert in_unit(3.21987, "calls") == "3.22 calls"


def test_an_e_value_is_one_sentence() -> None:
    """It is the bound on how often a canary as good as stable would ever look this bad."""
    assert rarity(468.3) == "a canary as good as stable looks this bad in 1 of 468 rollouts"
    assert rarity(1.3) == "a canary as good as stable may well look like this"
    assert "1 of 3 million rollouts" in rarity(3.2e6) and "2 billion" in rarity(2e9) and "trillion" in rarity(1e300)
    assert evidence_number(1.234) == "1.23" and evidence_number(1624.4) == "1,624"


@given(st.floats(0, 1e300))
def test_no_e_value_is_exaggerated(e_value: float) -> None:
    """The number of rollouts is rounded down, whatever its size."""
    digits = "".join(each for each in rarity(e_value) if each.isdigit())
    assert not digits or int(digits[1:] or 0) <= e_value


@pytest.mark.parametrize(
    ("metric", "name"), [("error_rate", "Errors"), ("latency_p90", "Latency p90"), ("ttft_p50", "First token p50")]
)
def test_a_metric_has_a_name_for_people(metric: str, name: str) -> None:
    """The name in a guardrail is for machines."""
    assert metric_name(metric) == name
