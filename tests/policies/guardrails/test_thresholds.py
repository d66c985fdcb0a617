"""Thresholds frozen from stable: when, which, and how calls are measured by them."""

from collections import Counter

import pytest

from policies.evidence.tally import Tally, amount_bucket, histogram_bucket
from policies.guardrails.grammar import parse
from policies.guardrails.thresholds import MIN_CALLS, SCALE, Scale, SlowThreshold, arm_thresholds, freeze, outdated

GUARDRAILS = [parse(text) for text in ("latency_p90 <= stable * 1.1", "cost <= stable * 1.05", "latency_p95 <= 2s")]


def served(calls: int) -> Tally:
    """Calls of 0.01, 0.02, … seconds that cost as many nano-USD times a million; tokens are not known."""
    latency = Counter(histogram_bucket(number / 100) for number in range(1, calls + 1))
    return Tally(requests=calls, latency=latency, cost=Counter(amount_bucket(10**6 * n) for n in range(1, calls + 1)))


def test_too_few_calls_freeze_nothing() -> None:
    """A threshold taken from 499 would be a matter of luck."""
    assert freeze(served(MIN_CALLS - 1), GUARDRAILS) is None


def test_thresholds_are_stables_quantiles_and_caps() -> None:
    """p75 besides the one that is named; an absolute limit needs none, and without tokens there is no cap on them."""
    frozen = freeze(served(MIN_CALLS), GUARDRAILS)
    assert frozen == pytest.approx({"latency:0.75": 3.75, "latency:0.9": 4.5, "cost": 500e6}, rel=0.03)


def test_amounts_that_are_all_alike_leave_room_to_grow() -> None:
    """The cap is twice the median at least: at the 99th percentile itself nothing could get dearer."""
    stable = served(MIN_CALLS)
    stable.cost = Counter({amount_bucket(1_000_000): MIN_CALLS})
    frozen = freeze(stable, GUARDRAILS)
    assert frozen is not None
    assert frozen["cost"] == pytest.approx(2_000_000, rel=0.025)


def test_the_canary_is_granted_the_margin() -> None:
    """A tenth more on seconds, a twentieth on the cap; the absolute limit is the same for both."""
    frozen = {"latency:0.75": 1.0, "latency:0.9": 2.0, "cost": 500.0}
    canary, stable = arm_thresholds(GUARDRAILS, frozen, canary=True), arm_thresholds(GUARDRAILS, frozen)
    assert [slow.seconds for slow in canary.slow] == pytest.approx([1.1, 2.2, 2.0])
    assert stable.slow == (
        SlowThreshold("latency_p90:0.75:1.1", "latency", 1.0),
        SlowThreshold("latency_p90:0.9:1.1", "latency", 2.0),
        SlowThreshold("latency_p95:0.95:2s", "latency", 2.0, is_limit=True),
    )
    assert (canary.scales, stable.scales) == ({"cost": Scale(500.0, 10_500)}, {"cost": Scale(500.0, SCALE)})


def test_what_is_not_frozen_is_not_measured() -> None:
    """Only the absolute limit is known from the start."""
    assert [slow.seconds for slow in arm_thresholds(GUARDRAILS, {}).slow] == [2.0]
    assert arm_thresholds(GUARDRAILS, {}).scales == {}


def test_of_two_margins_on_one_metric_the_smaller_cuts_off() -> None:
    """They share the sums, and neither may be misled against the canary."""
    for texts in (("1.05", "2"), ("2", "1.05")):
        both = [parse(f"cost <= stable * {text}") for text in texts]
        assert arm_thresholds(both, {"cost": 500.0}, canary=True).scales["cost"].most == 10_500


@pytest.mark.parametrize(("amount", "scaled"), [(0, 0), (250, 5000), (500, SCALE), (525, 10_500), (10**9, 10_500)])
def test_amounts_are_scaled_to_the_cap_and_cut_off(amount: int, scaled: int) -> None:
    """Integers, so that sums merge exactly."""
    assert Scale(500.0, 10_500).scaled(amount) == scaled


def test_a_threshold_that_was_taken_in_an_outage_is_noticed() -> None:
    """Three times what stable shows by now; one that was taken too low is as dull. A tenth is nothing."""
    slow = {"latency:0.75": 11.25, "latency:0.9": 13.5, "cost": 1.0}
    found = outdated(slow, served(MIN_CALLS), GUARDRAILS)
    assert len(found) == 2 and all("; slow calls show late" in note for note in found)
    assert len(outdated({"latency:0.9": 1.5}, served(MIN_CALLS), GUARDRAILS)) == 1
    assert outdated({"latency:0.9": 4.9}, served(MIN_CALLS), GUARDRAILS) == ()
    assert outdated(slow, served(3), GUARDRAILS) == ()
