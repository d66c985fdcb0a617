"""What was measured for a guardrail, in its metric's own unit."""

from collections import Counter
from collections.abc import Sequence

import pytest

from gateway.rollout.measured import Ground, Measured, measure
from gateway.rollout.status_view import CountsView
from policies.evidence.evidence import ArmEvidence, Evidence
from policies.evidence.tally import Tally, histogram_bucket
from policies.guardrails.grammar import parse
from policies.guardrails.guardrails import assess
from policies.statistics.means import Sample


def measured(text: str, arms: Sequence[ArmEvidence], *tallies: Tally, **frozen: float) -> Measured:
    """What that guardrail shows of stable and canary."""
    stable, canary = arms
    evidence = Evidence(0.05, canary, stable)
    [finding] = assess([parse(text)], (), evidence).findings
    sums = tallies or (Tally(), Tally())
    return measure(finding, Ground(evidence, frozen, *sums))


def test_errors_are_a_share_with_its_counts() -> None:
    """And the canary is beyond its limit as soon as it is measured to be."""
    arms = ArmEvidence(requests={0: 200}, errors=2, units=200), ArmEvidence(requests={0: 100}, errors=2, units=100)
    found = measured("error_rate <= stable * 1.25", arms)
    assert (found.stable, found.canary, found.ratio) == (0.01, 0.02, 2.0) and found.is_beyond
    assert (found.stable_counts, found.canary_counts) == (CountsView(2, 200), CountsView(2, 100))
    assert not measured("error_rate <= 20%", arms).is_beyond and measured("error_rate <= 1%", arms).is_beyond


def test_latency_is_a_quantile_in_seconds() -> None:
    """Of the versions' calls over the rollout, not the share of calls beyond a threshold."""
    slow = Tally(latency=Counter({histogram_bucket(2.0): 10}))
    fast = Tally(latency=Counter({histogram_bucket(1.0): 10}))
    found = measured("latency_p90 <= stable * 1.10", (ArmEvidence(), ArmEvidence(requests={0: 9})), fast, slow)
    assert found.stable == pytest.approx(1.0, rel=0.02) and found.canary == pytest.approx(2.0, rel=0.02)
    assert found.ratio == pytest.approx(2.0, rel=0.04) and found.is_beyond and found.stable_counts is None


def test_cost_is_dollars_a_call() -> None:
    """The mean counts in parts of stable's cap, which the record has frozen; without it nothing is known."""
    arms = [ArmEvidence(samples={"cost": Sample(10, total, 0.0)}) for total in (10_000.0, 15_000.0)]
    found = measured("cost <= stable * 1.05", arms, cost=5e7)
    assert found.stable == pytest.approx(0.005) and found.canary == pytest.approx(0.0075)
    assert found.ratio == pytest.approx(1.5) and found.is_beyond and found.canary_counts == CountsView(None, 10)
    assert measured("tokens <= stable * 1.05", arms).stable is None
    assert measured("cost <= stable * 1.05", arms).canary is None


def test_nothing_is_beyond_a_limit_without_data() -> None:
    """Nor is a ratio known where stable has no bad call."""
    assert not measured("error_rate <= stable * 1.25", (ArmEvidence(), ArmEvidence())).is_beyond
    found = measured("error_rate <= stable * 1.25", [ArmEvidence(requests={0: 9})] * 2)
    assert found.ratio is None and found.stable == 0.0


def test_turns_are_calls_of_a_conversation() -> None:
    """Over the conversations whose time is over."""
    arms = [ArmEvidence(bad={"turns:calls": {0: calls * 10**6}, "turns:1": {0: 4 * 10**6}}) for calls in (8, 14)]
    found = measured("turns <= stable * 1.5", arms)
    assert (found.stable, found.canary, found.ratio, found.is_beyond) == (2.0, 3.5, 1.75, True)
    assert found.canary_counts == CountsView(None, 4)
