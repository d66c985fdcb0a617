"""A guardrail on the verdicts of a judge, which grades as many units of either arm, whatever the weight is."""

import random
from dataclasses import replace

import pytest

from policies.evidence.evidence import GRADED, WHOLE, ArmEvidence, Evidence, of_judge, part_of
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import assess
from policies.guardrails.observed import observed
from policies.simulation.worlds import World, happenings

JUDGE, OTHER = "0f3a5b7c9d1e", "ffffffffffff"
TEXT = f"judge_low_quality <= stable * 1.20 by {JUDGE}"
GUARDRAIL = parse(TEXT)
BAD = GUARDRAIL.components[0]
BESIDE = of_judge(GRADED, JUDGE)


def arm(graded: int, bad: float, calls: int = 10_000, party: str = "", judge: str = JUDGE) -> ArmEvidence:
    """An arm of which so many units were graded, with that badness in all; of one party where it is named."""
    sums = {of_judge("judge_quality", judge): round(bad * WHOLE), of_judge(GRADED, judge): graded * WHOLE}
    slots = {name: {0: amount} for name, amount in sums.items()}
    units = {of_judge("judge_quality", judge): round(bad), of_judge(GRADED, judge): graded}
    if party:
        slots |= {part_of(name, party): counts for name, counts in slots.items()}
        units |= {part_of(name, party): count for name, count in units.items()}
    return ArmEvidence({0: calls}, bad=slots, bad_units=units)


def e_value(canary: ArmEvidence, stable: ArmEvidence, weight: float = 0.05) -> float:
    return assess([GUARDRAIL], (), Evidence(weight, canary, stable)).findings[0].e_value


def test_equal_arms_are_no_evidence_at_any_weight() -> None:
    """At a weight of 5 % half of the graded units are the canary's, and that says nothing against it."""
    for weight in (0.01, 0.05, 0.5, 0.98):
        assert e_value(arm(200, 40), arm(200, 40), weight) < 1.0


def test_a_worse_canary_is_proven() -> None:
    """Twice as much badness among as many graded units proves the breach."""
    assessment = assess([GUARDRAIL], (), Evidence(0.05, arm(300, 120), arm(300, 40)))
    assert assessment.proven is not None
    assert assessment.proven.guardrail.text == TEXT


def test_equal_versions_are_rarely_rolled_back() -> None:
    """Of 400 trials of equal versions, looked at after each verdict, no more than 1 in 100 reaches the threshold."""
    draw, reached = random.Random(5), 0
    for _ in range(400):
        canary = stable = canary_bad = stable_bad = 0
        for _ in range(150):
            is_canary, bad = draw.random() < 0.5, draw.random() < 0.3
            canary, stable = canary + is_canary, stable + (not is_canary)
            canary_bad, stable_bad = canary_bad + (bad and is_canary), stable_bad + (bad and not is_canary)
            if bad and e_value(arm(canary, canary_bad), arm(stable, stable_bad)) >= 100:
                reached += 1
                break
    assert reached <= 4


def test_two_judges_are_never_added_up() -> None:
    """What another judge has found is not in the evidence, nor is it measured."""
    others = Evidence(0.05, arm(300, 200, judge=OTHER), arm(300, 10, judge=OTHER))
    finding = assess([GUARDRAIL], (), others).findings[0]
    assert (finding.e_value < 1.1, finding.canary) == (True, None)
    assert observed(GUARDRAIL, arm(10, 4)).value == pytest.approx(0.4)


def test_a_demoted_guardrail_is_a_signal() -> None:
    """The breach by a judge that nobody trusts holds the step, proves nothing, and keeps its share of the family."""
    guardrails = [parse(text) for text in (*DEFAULT_GUARDRAILS, TEXT)]
    evidence = Evidence(0.05, arm(300, 150), arm(300, 30))
    trusted = assess(guardrails, (), evidence)
    untrusted = assess(guardrails, (), evidence, demoted=("judge_low_quality",))
    assert trusted.proven is not None
    assert (untrusted.proven, untrusted.signals[0].guardrail.text) == (None, TEXT)
    assert any(reason.startswith(f"signal {TEXT} is breached") for reason in untrusted.holds)
    assert [finding.share for finding in trusted.findings[:3]] == [finding.share for finding in untrusted.findings[:3]]


def test_no_party_proves_anything_alone() -> None:
    """Without the caller whose units were graded worse nothing is left, whatever is counted of it."""
    canary = arm(300, 150, party="cff")
    evidence = Evidence(0.05, canary, arm(300, 30), callers=2, observed_seconds=400.0)
    assert assess([GUARDRAIL], (), evidence).proven is None
    less = canary.without("cff", GUARDRAIL.names)
    assert less.trials("graded units", BAD) == {0: 0}
    assert canary.only("cff", GUARDRAIL.names).trials("graded units", BAD) == {0: 300}
    assert BESIDE in canary.for_names(GUARDRAIL.names).bad


def test_units_of_earlier_steps_are_not_graded() -> None:
    """A judge's verdicts are of the running step alone."""
    assert arm(10, 4).earlier_trials("graded units", 1) == {}
    assert arm(10, 4).trials("graded units", "errors") == {}


def test_no_control_is_no_comparison() -> None:
    """With all or nothing on the canary there is nothing to compare."""
    assert e_value(arm(300, 150), replace(arm(0, 0), bad={}), weight=1.0) < 1.1


@pytest.mark.parametrize(
    ("text", "problem"),
    [("judge_low_quality <= 20%", "compared with stable only"), (f"cost <= stable * 2 by {JUDGE}", "is no judge's")],
)
def test_it_is_written_in_one_way(text: str, problem: str) -> None:
    """A judge's limit compares with stable, and only its metric names a judge."""
    with pytest.raises(ValueError, match=problem):
        parse(text)


def test_no_simulated_world_has_a_judge() -> None:
    """A simulation draws what the other guardrails read."""
    drawn = [next(happenings([parse("error_rate <= stable * 1.25"), GUARDRAIL], World(), random.Random(1)))]
    assert all(BAD not in getattr(what, "components", ()) for _, _, what in drawn)
    assert list(happenings([GUARDRAIL], World(), random.Random(1))) == []
