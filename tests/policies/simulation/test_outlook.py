"""What is shown to people: how much worse the canary is, and how much longer a verdict takes."""

import math
import random
from dataclasses import replace

import pytest

from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import assess
from policies.simulation.outlook import grown, rate_ratio_interval, requests_to_verdict
from tests.policies.evidences import BAD, GOOD, arm, errors, sample

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))


def test_the_interval_lies_around_what_was_seen() -> None:
    """30 of 1,000 against 190 of 19,000: three times as often, and surely more often."""
    low, high = rate_ratio_interval(30, 190, 0.05)
    assert 1.2 < low < 3 < high < 6
    narrow = rate_ratio_interval(300, 1900, 0.05)
    assert low < narrow[0] < 3 < narrow[1] < high


@pytest.mark.parametrize(("canary", "stable", "weight"), [(0, 0, 0.05), (5, 5, 0.0), (5, 5, 1.0)])
def test_without_events_or_arms_there_is_no_bound(canary: int, stable: int, weight: float) -> None:
    """Anything is possible."""
    assert rate_ratio_interval(canary, stable, weight) == (0.0, math.inf)


def test_the_interval_is_right_at_every_look() -> None:
    """100 seeded runs of 400 bad events, looked at every tenth: 1 in 20 is ever wrong at most."""
    rng, wrong, truth = random.Random(3), 0, 2.0
    hit = truth * 0.05 / (truth * 0.05 + 0.95)
    for _ in range(100):
        canary = 0
        for events in range(1, 401):
            canary += rng.random() < hit
            if events % 10 == 0:
                low, high = rate_ratio_interval(canary, events - canary, 0.05)
                if not low <= truth <= high:
                    wrong += 1
                    break
    assert wrong <= 5


def test_a_proven_breach_needs_no_more_requests() -> None:
    """And one that will never be proven has no number."""
    assert requests_to_verdict(GUARDRAILS, BAD) == requests_to_verdict(GUARDRAILS, BAD, is_proven=True) == 0
    assert requests_to_verdict(GUARDRAILS, errors((0, 0), (0, 0))) is None
    assert requests_to_verdict(GUARDRAILS, GOOD) is None


def test_the_outlook_is_where_the_breach_is_proven() -> None:
    """3 % against 1 % after 200 requests: some hundred more, and not a tenth fewer."""
    evidence = errors((200, 6), (3800, 38))
    more = requests_to_verdict(GUARDRAILS, evidence)
    assert more is not None and 200 < more < 2000
    assert assess(GUARDRAILS, (), grown(evidence, 1 + more / 200)).proven is not None
    assert assess(GUARDRAILS, (), grown(evidence, 1 + 0.9 * more / 200)).proven is None


def test_the_outlook_heeds_what_was_dismissed() -> None:
    """As the judge does: a dismissed guardrail proves nothing, and its share helps no other one."""
    evidence = errors((200, 6), (3800, 38))
    more = requests_to_verdict(GUARDRAILS, evidence)
    assert requests_to_verdict(GUARDRAILS, evidence, ("error_rate",)) is None
    assert requests_to_verdict(GUARDRAILS, evidence, ("cost", "latency_p90")) == more
    heeded = [each for each in GUARDRAILS if each.metric.name == "error_rate"]
    assert more is not None and (sooner := requests_to_verdict(heeded, evidence)) and sooner < more


def test_a_mean_has_an_outlook_too() -> None:
    """Ten per cent dearer; sums and bins grow, the variance of the mean shrinks with them."""
    dear = replace(sample(400, 1.1, 0.5), bins=((210.0, 200), (230.0, 200)))
    evidence = replace(
        errors((400, 4), (7600, 76)), canary=arm(400, None, dear), stable=arm(7600, None, sample(7600, 1.0, 0.5))
    )
    assert requests_to_verdict(GUARDRAILS, evidence)
    assert grown(evidence, 4.0).canary.samples["cost"].variance_of_mean == pytest.approx(dear.variance_of_mean / 4)
