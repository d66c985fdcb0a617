"""Who is excluded from a trial: a party whose own calls prove a breach that no party may prove alone."""

import random
from dataclasses import replace

import pytest

from policies.evidence.evidence import QUALITY, REJECTIONS, SCORED, WHOLE, ArmEvidence, Evidence, earlier_part, part_of
from policies.guardrails.exclusion import OWN_PROOF, SoleBreach, sole_breach
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import assess
from policies.guardrails.verdicts import verdict
from policies.statistics.means import Sample

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))
SLOW = "latency_p90:0.9:1.1"
COMPONENTS = ("errors", REJECTIONS, SLOW, QUALITY)


def arm(component: str, calls: dict[str, int], bad: dict[str, int]) -> ArmEvidence:
    """Calls and bad units of each party; of scores every call has one."""
    units = {component: sum(bad.values()), SCORED: sum(calls.values())}
    units |= {part_of(component, party): count for party, count in bad.items()}
    units |= {part_of(SCORED, party): count for party, count in calls.items()}
    return ArmEvidence(
        requests={0: sum(calls.values())},
        errors=units.get("errors", 0),
        bad={name: {0: count * WHOLE} for name, count in units.items() if name != SCORED},
        bad_units=units,
        scored={0: units[SCORED]},
        requests_of={party: {0: count} for party, count in calls.items()},
    )


def evidence(canary: ArmEvidence, stable: ArmEvidence, callers: int = 2, observed: float = 60.0) -> Evidence:
    return Evidence(0.1, canary, stable, callers=callers, observed_seconds=observed)


def found(shown: Evidence, *excluded: str) -> SoleBreach | None:
    assessment = assess(GUARDRAILS, (), shown)
    assert assessment.proven is None
    return sole_breach(assessment.findings, shown, excluded)


@pytest.mark.parametrize("component", COMPONENTS)
def test_who_alone_proves_a_breach_is_excluded_after_a_handful(component: str) -> None:
    """One caller makes nearly all calls, and all of its calls on the canary are bad."""
    bad = {"c1": 6 if component != SLOW else 9}
    shown = evidence(arm(component, bad, bad), arm(component, {"c1": 50, "c2": 1}, {}))
    sole = found(shown)
    assert sole and (sole.party, sole.share, verdict(sole.finding, is_beyond=True)) == ("c1", 1.0, "suspect")


def test_a_dear_canary_is_kept_from_its_only_payer() -> None:
    """A mean has parts, too."""

    def sample(n: int, mean: float) -> Sample:
        return Sample(n, n * mean, n * (mean**2 + 900), tuple((n * mean / 32, n // 32) for _ in range(32)))

    dear, normal = sample(640, 300.0), sample(6400, 100.0)
    canary = ArmEvidence({0: 640}, samples={"cost": dear, "cost@c1": dear}, requests_of={"c1": {0: 640}})
    stable = ArmEvidence({0: 6400}, samples={"cost": normal, "cost@c1": sample(6400, 100.0)})
    sole = found(evidence(canary, stable))
    assert sole and (sole.party, sole.finding.guardrail.metric.name) == ("c1", "cost")


def test_too_little_excludes_nobody() -> None:
    """Two bad units of one party, and as many of another: it takes three, and a proof of its own."""
    bad = {"c1": 2, "c2": 2}
    assert found(evidence(arm("errors", bad, bad), arm("errors", {"c1": 20, "c2": 20}, {}))) is None
    few = {"c1": 2}
    assert found(evidence(arm("errors", few, few), arm("errors", {"c2": 20}, {}))) is None


def test_what_the_calls_of_all_do_not_prove_excludes_nobody() -> None:
    """Of many parties one is always unlucky; the others' calls say that the canary is well."""
    canary = arm("errors", {"c1": 6, "c2": 9000}, {"c1": 6})
    assert found(evidence(canary, arm("errors", {"c2": 9000}, {"c2": 60}))) is None


FAILING = {f"c{number}": 5 for number in range(2, 21)}  # of 50 calls each on the canary, and a tenth on stable, too


def of_one(bad: int, on_stable: int = 0, component: str = "errors") -> Evidence:
    """So many calls of one party on the canary, all of them bad; nineteen others fail a tenth on both arms."""
    canary = arm(component, {"c1": bad, **dict.fromkeys(FAILING, 50)}, {"c1": bad, **FAILING})
    bad_of_stable = {name: 9 * count for name, count in FAILING.items()}
    stable = arm(component, {"c1": 9 * bad, **dict.fromkeys(FAILING, 450)}, {"c1": on_stable, **bad_of_stable})
    return evidence(canary, stable, callers=20)


@pytest.mark.parametrize("component", ["errors", REJECTIONS, SLOW])
def test_who_alone_suffers_among_others_that_fail_now_and_then_is_excluded(component: str) -> None:
    """The calls of all look alike on both arms; its own prove the breach many times as strongly."""
    sole = found(of_one(14, component=component))
    assert sole and (sole.party, sole.finding.breached_by_all) == ("c1", False)
    assert sole.e_value * (sole.finding.share or 1) >= OWN_PROOF * sole.finding.guardrail.threshold
    assert found(of_one(6, component=component)) is None
    assert found(of_one(14, component=component), "c1") is None


def test_whose_calls_fail_anyway_is_not_excluded() -> None:
    """On both arms alike, by its own doing, also beyond an absolute limit; and a glance alone excludes nobody."""
    assert found(of_one(60, on_stable=540)) is None
    assert found(of_one(14, on_stable=12)) is None


def test_conversations_of_earlier_steps_count_for_their_party_alone() -> None:
    """By the weight that drew their arms."""
    name, calls, shown = earlier_part("errors", 7), earlier_part("", 7), of_one(2)
    bad = {name: 14, part_of(name, "c1"): 14}
    canary = replace(
        shown.canary,
        bad={**shown.canary.bad, **{part: {0: count * WHOLE} for part, count in bad.items()}},
        bad_units={**shown.canary.bad_units, **bad},
        requests_of={**shown.canary.requests_of, calls: {0: 14}, part_of(calls, "c1"): {0: 14}},
    )
    sole = found(replace(shown, canary=canary, earlier={7: 0.1}))
    assert sole and (sole.party, sole.finding.breached_by_all) == ("c1", False)


def test_who_is_excluded_already_excludes_nobody_else() -> None:
    """What it has shown stays in the step's evidence, and the next party needs a proof beside it."""
    shown = evidence(arm("errors", {"c1": 9, "c2": 1}, {"c1": 9, "c2": 1}), arm("errors", {"c1": 50, "c2": 50}, {}))
    assert found(shown, "c1") is None
    sole = found(shown)
    assert sole and sole.party == "c1"


def test_what_a_second_party_shows_is_a_rollback() -> None:
    """The first one's calls before its exclusion count for it: neither proves the breach alone."""
    shown = evidence(arm("errors", {"c1": 5, "c2": 5}, {"c1": 5, "c2": 5}), arm("errors", {"c1": 50, "c2": 50}, {}))
    assert assess(GUARDRAILS, (), shown).proven is not None


def test_the_only_party_is_believed_after_some_minutes() -> None:
    """Until then it is excluded, so nobody suffers meanwhile."""
    canary, stable = arm("errors", {"c1": 5}, {"c1": 5}), arm("errors", {"c1": 50}, {})
    assert found(evidence(canary, stable, callers=1, observed=299.0)) is not None
    assert assess(GUARDRAILS, (), evidence(canary, stable, callers=1, observed=300.0)).proven is not None


def test_conversations_of_earlier_steps_show_it_as_well() -> None:
    """A canary that breaks in a later step fails them, too."""
    name, calls = earlier_part("errors", 7), earlier_part("", 7)
    bad = {part: {0: 6 * WHOLE} for part in (name, part_of(name, "c1"))}
    canary = ArmEvidence(
        bad=bad, bad_units=dict.fromkeys(bad, 6), requests_of={calls: {0: 6}, part_of(calls, "c1"): {0: 6}}
    )
    shown = replace(evidence(canary, arm("errors", {"c1": 50}, {})), earlier={7: 0.1})
    sole = found(shown)
    assert sole and sole.party == "c1"


@pytest.mark.parametrize("callers", [40, 3])
def test_a_sound_canary_is_kept_from_nobody(callers: int) -> None:
    """Two hundred trials, looked at after each bad call of the canary: at most 1 % exclude anybody."""
    chance, excluding = random.Random(14), 0
    for _ in range(200):
        bad: dict[str, dict[str, int]] = {"canary": {}, "stable": {}}
        for _ in range(60):
            side, party = ("canary" if chance.random() < 0.1 else "stable"), f"c{chance.randrange(callers)}"
            bad[side][party] = bad[side].get(party, 0) + 1
            if side == "stable":
                continue
            calls = dict.fromkeys(bad[side], 20)
            shown = evidence(arm("errors", calls, bad["canary"]), arm("errors", calls, bad["stable"]), callers=callers)
            if found(shown):
                excluding += 1
                break
    assert excluding <= 2
