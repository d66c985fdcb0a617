"""Requests that the provider refuses to serve: the split attributes them, without reading a message."""

from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import Assessment, assess

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))
REJECTION_RATE = "rejection_rate <= stable * 2"


def arm(requests: int, rejected: int) -> ArmEvidence:
    """Judged calls, and rejected units."""
    return ArmEvidence({0: requests}, bad={"rejections": {0: rejected * WHOLE}}, bad_units={"rejections": rejected})


def judged(canary: ArmEvidence, stable: ArmEvidence, weight: float = 0.05) -> Assessment:
    return assess(GUARDRAILS, (), Evidence(weight, canary, stable))


def proven(assessment: Assessment) -> str | None:
    return assessment.proven.guardrail.text if assessment.proven else None


def test_a_canary_whose_every_request_is_rejected_is_gone_within_few_units() -> None:
    """A typing error in its model, by the words of whatever provider."""
    found = judged(arm(0, 5), arm(95, 1))
    assert proven(found) == REJECTION_RATE
    assert next(f.canary for f in found.findings if f.guardrail.text == REJECTION_RATE) == 1.0


def test_callers_mistakes_fall_on_both_arms() -> None:
    """A tenth of all requests is wrong, whoever serves them."""
    found = judged(arm(900, 100), arm(17_100, 1900))
    assert proven(found) is None and found.e_value < 2


def test_twice_stables_rejections_are_not_held_against_the_canary() -> None:
    """So much is granted by the factor of the guardrail."""
    found = judged(arm(950, 100), arm(18_050, 950))
    assert proven(found) is None and found.e_value < 2


def test_three_distinct_units_are_wanted() -> None:
    """Also at a weight at which two would be proof enough."""
    assert proven(judged(arm(0, 2), arm(2000, 0), weight=0.001)) is None
    assert proven(judged(arm(0, 3), arm(2000, 0), weight=0.001)) == REJECTION_RATE


def test_rejected_requests_are_tried_ones() -> None:
    """They are no judged calls, so the rate is taken of both together, also in minutes without any other call."""
    canary = ArmEvidence({0: 6}, bad={"rejections": {0: 2 * WHOLE, 3: WHOLE}})
    assert canary.trials("judged and rejected calls") == {0: 8, 3: 1}
