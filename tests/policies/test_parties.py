"""No party proves a rollback alone: neither one of several callers, nor one of the users that the only caller names."""

import json
import random
from dataclasses import asdict, replace

import pytest

from policies.evidence.evidence import (
    LONE_SECONDS,
    QUALITY,
    REJECTIONS,
    SCORED,
    WHOLE,
    ArmEvidence,
    Evidence,
    part_of,
    whole_of,
)
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import Assessment, assess, bank
from policies.simulation.outlook import grown
from policies.statistics.means import Sample
from policies.statistics.restarts import slot

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))
SLOW = "latency_p90:0.9:1.1"
COMPONENTS = ("errors", REJECTIONS, SLOW, QUALITY)


def arm(component: str, calls: dict[str, int], bad: dict[str, int], minute: int = 0) -> ArmEvidence:
    """Calls and bad units of each party, in one minute; of scores every call has one."""
    index, units = slot(minute), {component: sum(bad.values()), SCORED: sum(calls.values())}
    units |= {f"{component}@{party}": count for party, count in bad.items()}
    units |= {f"{SCORED}@{party}": count for party, count in calls.items()}
    return ArmEvidence(
        requests={index: sum(calls.values())},
        errors=units.get("errors", 0),
        bad={name: {index: count * WHOLE} for name, count in units.items() if name != SCORED},
        bad_units=units,
        scored={index: units[SCORED]},
        requests_of={party: {index: count} for party, count in calls.items()},
    )


def evidence(canary: ArmEvidence, stable: ArmEvidence, callers: int = 2, observed: float = 3600.0) -> Evidence:
    return Evidence(0.05, canary, stable, callers=callers, observed_seconds=observed)


def judged(found: Evidence) -> Assessment:
    return assess(GUARDRAILS, (), found)


def proven(found: Evidence) -> str | None:
    assessment = judged(found)
    return assessment.proven.guardrail.metric.name if assessment.proven else None


@pytest.mark.parametrize("units", [3, 30, 3000])
@pytest.mark.parametrize("component", COMPONENTS)
def test_one_callers_own_bad_calls_on_chosen_units_prove_nothing(component: str, units: int) -> None:
    """However many, and whatever is bad of them, while others call the agent; a person is told."""
    canary = arm(component, {"c1": units, "c2": 50}, {"c1": units})
    found = judged(evidence(canary, arm(component, {"c2": 1000}, {})))
    assert found.proven is None and found.e_value < 10
    assert units < 30 or any("only one caller or user" in reason for reason in found.holds)


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_every_caller_sees_is_proof(component: str) -> None:
    """Three callers, and a canary that is bad in every call: whoever is left out, the others show it."""
    parties = {"c1": 40, "c2": 40, "c3": 40}
    assert proven(evidence(arm(component, parties, parties), arm(component, dict.fromkeys(parties, 700), {})))


def test_a_flood_hides_nothing_that_others_prove() -> None:
    """The others' evidence is as large as without it."""
    bad = {"c1": 1000, "c2": 4, "c3": 4}
    assert proven(evidence(arm("errors", bad, bad), arm("errors", {"c2": 100}, {}))) == "error_rate"


@pytest.mark.parametrize("others", [1, 4, 30])
def test_failures_of_ones_own_on_stable_shield_no_dead_canary_for_long(others: int) -> None:
    """However many there are: a small part of the bet is that they are one party's own doing."""
    needed = []
    for shield in (0, 300, 30_000):
        for calls in range(3, 60):
            bad = {f"c{n}": calls // others + (n < calls % others) for n in range(others)}
            bad = {party: count for party, count in bad.items() if count}
            stable = arm("errors", {**dict.fromkeys(bad, 50), "c99": shield}, {"c99": shield} if shield else {})
            if proven(evidence(arm("errors", bad, bad), stable, callers=1 if others == 1 else others + 1)):
                needed.append(calls)
                break
    assert len(needed) == 3 and needed[-1] <= needed[0] + 8


def test_a_shield_on_stable_is_no_proof() -> None:
    """The canary fails as stable does without the shield's party, whose calls are all on one side."""
    chance = random.Random(7)
    for _ in range(40):
        bad: dict[str, dict[str, int]] = {"canary": {}, "stable": {"c9": 200}}
        for _ in range(200):
            side, party = ("canary" if chance.random() < 0.05 else "stable"), f"c{chance.randrange(8)}"
            bad[side][party] = bad[side].get(party, 0) + 1
        canary = arm("errors", dict.fromkeys(bad["canary"], 20), bad["canary"])
        assert proven(evidence(canary, arm("errors", dict.fromkeys(bad["stable"], 300), bad["stable"]), 9)) is None


def test_a_callers_last_minute_is_not_lost_in_the_others_long_past() -> None:
    """A component begins anew every minute, so parts are left out minute by minute."""
    old, new = arm("errors", {"c2": 9000}, {"c2": 900}), arm("errors", {"c1": 90}, {"c1": 90}, minute=70)
    canary = ArmEvidence(
        requests={**old.requests, **new.requests},
        bad={
            "errors": {**old.bad["errors"], **new.bad["errors"]},
            "errors@c1": new.bad["errors"],
            "errors@c2": old.bad["errors"],
        },
        bad_units={"errors": 990, "errors@c1": 90, "errors@c2": 900},
        requests_of={**old.requests_of, **new.requests_of},
    )
    found = replace(evidence(canary, arm("errors", {"c2": 171_000}, {"c2": 17_100})), minute=70)
    assert judged(found).findings[0].unbounded > 1e6
    assert proven(found) is None and judged(found).e_value < 10


@pytest.mark.parametrize(("callers", "observed", "believed"), [(1, 300, True), (1, 299, False), (2, 9999, False)])
def test_who_is_alone_for_some_minutes_is_believed(callers: int, observed: float, believed: bool) -> None:
    """There is nobody else who could show it. Where nobody has watched yet, others may be just about to call."""
    found = evidence(arm("errors", {"c1": 5}, {"c1": 5}), arm("errors", {"c1": 95}, {}), callers, float(observed))
    assert (proven(found) == "error_rate") is believed and LONE_SECONDS == 300


def test_the_only_key_whose_users_have_no_name_is_believed_at_once() -> None:
    """Nobody is told apart, so there are no parts."""
    canary = ArmEvidence({0: 5}, 5, bad={"errors": {0: 5 * WHOLE}}, bad_units={"errors": 5})
    assert proven(Evidence(0.05, canary, ArmEvidence({0: 95}))) == "error_rate"


def test_users_of_the_only_key_are_bounded_like_callers() -> None:
    """One of them proves nothing alone; and one lone key says nothing of how many users it has."""
    canary, stable = arm("errors", {"u1": 9, "u2": 1}, {"u1": 9}), arm("errors", {"u2": 90}, {})
    assert proven(replace(evidence(canary, stable, callers=0), users=2)) is None
    assert proven(replace(evidence(canary, stable, callers=0), users=1)) == "error_rate"


def test_one_callers_dear_calls_prove_nothing() -> None:
    """Its huge prompts raise the canary's mean cost, and the others' stays what it is."""

    def sample(n: int, mean: float) -> Sample:
        return Sample(n, n * mean, n * (mean**2 + 900), tuple((n * mean / 32, n // 32) for _ in range(32)))

    usual, dear, normal = sample(640, 100.0), sample(640, 500.0), sample(6400, 100.0)
    parts = {"cost@c1": Sample(640, dear.total, dear.squares), "cost@c2": Sample(640, usual.total, usual.squares)}
    canary = ArmEvidence({0: 1280}, samples={"cost": usual.merged(dear), **parts})
    found = judged(evidence(canary, ArmEvidence({0: 6400}, samples={"cost": normal})))
    assert found.findings[3].unbounded > 1e4 and found.findings[3].e_value < 10 and found.proven is None


def test_what_is_banked_is_what_any_party_may_be_left_out_of() -> None:
    """Else somebody could save up a proof, step by step."""
    canary, stable = arm("errors", {"c1": 4}, {"c1": 4}), arm("errors", {"c2": 90}, {})
    kept = bank(GUARDRAILS, evidence(canary, stable))["error_rate <= stable * 1.25"]
    assert kept < 1 < 100 < bank(GUARDRAILS, evidence(canary, stable, callers=1))["error_rate <= stable * 1.25"]


def test_an_absolute_limit_is_bounded_alike() -> None:
    """It has no share of the family, and the same adversary."""
    limit, stable = (parse("error_rate <= 20%"),), arm("errors", {"c1": 40, "c2": 40}, {})
    alone = evidence(arm("errors", {"c1": 40, "c2": 40}, {"c1": 40}), stable)
    shared = evidence(arm("errors", {"c1": 40, "c2": 40}, {"c1": 40, "c2": 40}), stable)
    assert assess(limit, (), alone).proven is None
    assert assess(limit, (), shared).proven is not None


def _attacked(rng: random.Random, minutes: int) -> Evidence:
    """Nine honest callers of two arms that are alike, and one who fails on canary units alone, whenever it is best."""
    totals: dict[str, dict[str, dict[int, int]]] = {"canary": {}, "stable": {}}
    requests: dict[int, int] = {}
    attacked = rng.randrange(minutes)
    for minute in range(minutes):
        index = slot(minute)
        for party in range(1, 10):
            for name, calls in (("canary", 10), ("stable", 190)):
                failing = sum(rng.random() < 0.02 for _ in range(calls))
                slots = totals[name].setdefault(f"errors@c{party}", {})
                slots[index] = slots.get(index, 0) + failing
        requests[index] = requests.get(index, 0) + 90
        if minute >= attacked:
            slots = totals["canary"].setdefault("errors@c0", {})
            slots[index] = slots.get(index, 0) + 25
    arms = {}
    for name, parts in totals.items():
        whole: dict[int, int] = {}
        for slots in parts.values():
            whole = {index: whole.get(index, 0) + slots.get(index, 0) for index in {*whole, *slots}}
        named = {"errors": whole, **parts}
        arms[name] = ArmEvidence(
            requests=requests,
            bad={component: {i: n * WHOLE for i, n in slots.items()} for component, slots in named.items()},
            bad_units={component: sum(slots.values()) for component, slots in named.items()},
        )
    return replace(evidence(arms["canary"], arms["stable"], callers=10), minute=minutes - 1)


def test_an_adversary_does_not_raise_the_chance_of_a_false_rollback() -> None:
    """Forty attacked rollouts of a good canary, each beyond doubt if everybody were believed; none is rolled back."""
    for seed in range(40):
        found = _attacked(random.Random(seed), minutes=12)
        assert judged(found).findings[0].unbounded > 100 and proven(found) is None


def test_a_part_names_its_whole_and_its_party() -> None:
    """A whole one is its own."""
    assert (whole_of(part_of("errors", "c7")), whole_of("errors")) == ("errors", "errors")


def test_evidence_of_a_record_has_its_parts() -> None:
    """So that anyone can compute again what a decision rested on; older records have none."""
    found = evidence(arm("errors", {"c1": 5, "c2": 9}, {"c1": 5}), arm("errors", {"c2": 90}, {}))
    record = json.loads(json.dumps(asdict(found)))
    assert judged(Evidence.from_record(record)) == judged(found)
    for name in ("callers", "users", "observed_seconds"):
        del record[name]
    assert Evidence.from_record(record).callers == 0


def test_an_outlook_grows_the_parts_too() -> None:
    """Each party's calls go on as they did."""
    found = grown(evidence(arm("errors", {"c1": 5}, {"c1": 1}), arm("errors", {"c2": 90}, {})), 3.0)
    assert (found.canary.requests_of, found.canary.bad_units["errors@c1"]) == ({"c1": {0: 15}}, 3)
