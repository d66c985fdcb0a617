"""Requests that the provider refuses to serve: the split attributes them, and no caller proves anything alone."""

from dataclasses import replace

import pytest

from policies.evidence.evidence import CALLERS, WHOLE, ArmEvidence, Evidence, rejections_of
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import Assessment, assess

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))
REJECTION_RATE = "rejection_rate <= stable * 2"


def arm(requests: int, *rejected: int, callers: int = 0) -> ArmEvidence:
    """Judged calls, and of each of these callers so many rejected units; `callers` stand on stable's."""
    total = sum(rejected)
    of_callers = {rejections_of(number): units for number, units in enumerate(rejected)}
    counted = {"rejections": total, **of_callers, **({CALLERS: callers} if callers else {})}
    bad = {name: {0: units * WHOLE} for name, units in counted.items()}
    return ArmEvidence({0: requests}, bad=bad, bad_units=counted)


def judged(canary: ArmEvidence, stable: ArmEvidence, weight: float = 0.05) -> Assessment:
    return assess(GUARDRAILS, (), Evidence(weight, canary, stable))


def proven(assessment: Assessment) -> str | None:
    return assessment.proven.guardrail.text if assessment.proven else None


def test_a_canary_whose_every_request_is_rejected_is_gone_within_few_units() -> None:
    """A typing error in its model, by the words of whatever provider: several callers see it."""
    found = judged(arm(0, 2, 1, 2), arm(95, 1, callers=3))
    assert proven(found) == REJECTION_RATE
    assert next(f.canary for f in found.findings if f.guardrail.text == REJECTION_RATE) == 1.0


def test_callers_mistakes_fall_on_both_arms() -> None:
    """A tenth of all requests is wrong, whoever serves them."""
    found = judged(arm(900, 50, 50), arm(17_100, 950, 950, callers=2))
    assert proven(found) is None and found.e_value < 2


def test_twice_stables_rejections_are_not_held_against_the_canary() -> None:
    """One caller can at most double what the others see, and so proves nothing with their help either."""
    found = judged(arm(950, 50, 50), arm(18_050, 475, 475, callers=2))
    assert proven(found) is None and found.e_value < 2


@pytest.mark.parametrize("units", [3, 30, 3000])
def test_one_callers_own_mistakes_on_chosen_units_prove_nothing(units: int) -> None:
    """However many, while others call the agent."""
    found = judged(arm(50, units), arm(950, callers=2))
    assert proven(found) is None and found.e_value < 10


def test_a_caller_adds_at_most_as_much_as_all_others_show() -> None:
    """So a flood neither proves a rollback alone nor hides one that others prove."""
    flooded, others = judged(arm(0, 1000, 3), arm(95, callers=2)), judged(arm(0, 3, 3), arm(95, callers=2))
    assert proven(flooded) == proven(others) == REJECTION_RATE


def test_the_only_caller_of_an_agent_is_believed() -> None:
    """There is nobody else who could show it: by the configuration, or because nobody came for five minutes."""
    assert proven(judged(arm(0, 5), arm(95))) == REJECTION_RATE
    lone = Evidence(0.05, arm(0, 5), arm(95, callers=1), minute=4)
    assert assess(GUARDRAILS, (), lone).proven is None
    assert proven(assess(GUARDRAILS, (), replace(lone, minute=5))) == REJECTION_RATE


def test_three_distinct_units_are_wanted() -> None:
    """Also at a weight at which two would be proof enough."""
    assert proven(judged(arm(0, 1, 1), arm(2000, callers=2), weight=0.001)) is None
    assert proven(judged(arm(0, 1, 1, 1), arm(2000, callers=2), weight=0.001)) == REJECTION_RATE


def test_an_absolute_limit_counts_callers_alike() -> None:
    """It has the same bound."""
    limit = (parse("rejection_rate <= 20%"),)
    alone = Evidence(0.5, arm(0, 40), arm(40, callers=2))
    assert assess(limit, (), alone).proven is None
    shared = replace(alone, canary=arm(0, 20, 20))
    assert proven(assess(limit, (), shared)) == "rejection_rate <= 20%"


def test_rejected_requests_are_tried_ones() -> None:
    """They are no judged calls, so the rate is taken of both together, also in minutes without any other call."""
    canary = ArmEvidence({0: 6}, bad={"rejections": {0: 2 * WHOLE, 3: WHOLE}})
    assert canary.trials("judged and rejected calls") == {0: 8, 3: 1}
