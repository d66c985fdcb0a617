"""Conversations that began in an earlier step: they are evidence by the weight that has drawn their arms."""

import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import pytest

from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence, earlier_part
from policies.guardrails.grammar import parse
from policies.guardrails.guardrails import Assessment, assess, bank
from policies.rollout import rollout
from policies.rollout.rollout import Findings
from policies.statistics.restarts import slot
from tests.policies.rollout.records import TRIAL, running

ERRORS = (parse("error_rate <= stable * 1.25"),)
REJECTIONS = (parse("rejection_rate <= stable * 2"),)
FIRST = 7  # the evidence epoch of the step before
WEIGHTS = (0.1, 0.3, 0.6)
Fails = Callable[[int, int, bool], float]  # by step, minute of the step, and whether the canary serves: the chance


def judged(evidence: Evidence) -> Assessment:
    return assess(ERRORS, (), evidence)


def bad(units: int, requests: int = 0, component: str = "errors", **parties: int) -> ArmEvidence:
    """An arm whose only bad units began in the first step, at 5 %."""
    name = earlier_part(component, FIRST)
    counts = {name: units, **{f"{name}@{party}": count for party, count in parties.items()}}
    calls = {earlier_part("", FIRST): requests, **{earlier_part("", FIRST) + f"@{party}": 0 for party in parties}}
    return ArmEvidence(
        requests={0: 100},
        bad={each: {0: count * WHOLE} for each, count in counts.items()},
        bad_units=counts,
        requests_of={each: {0: count} for each, count in calls.items()},
    )


def second_step(canary: ArmEvidence, stable: ArmEvidence) -> Evidence:
    return Evidence(0.5, canary, stable, step=2, offset=10, earlier={FIRST: 0.05})


@dataclass(slots=True)
class Unit:
    """A conversation."""

    step: int
    is_canary: bool
    is_bad: bool = False


@dataclass(slots=True)
class Rollout:
    """A rollout over steps, each of which ends as soon as its canary has thirty conversations of its own."""

    fails: Fails
    rng: random.Random
    arrivals: int = 10  # a minute; each conversation makes a call a minute, ten on average
    alive: list[Unit] = field(default_factory=list)
    banked: dict[str, float] = field(default_factory=dict)
    offset: int = 0

    def run(self) -> int:
        """Return the step in which the canary is rolled back, 0 for none."""
        for step in range(len(WEIGHTS)):
            if self.is_rolled_back(step):
                return step + 1
        return 0

    def is_rolled_back(self, step: int, most_minutes: int = 1000) -> bool:
        counts: defaultdict[str, defaultdict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
        evidence, started, minute = Evidence(WEIGHTS[step]), 0, 0
        while minute < most_minutes and (started < 30 or minute < 10):
            new = [Unit(step, self.rng.random() < WEIGHTS[step]) for _ in range(self.arrivals)]
            started += sum(unit.is_canary for unit in new)
            self.alive += new
            for unit in self.alive:
                suffix = "" if unit.step == step else earlier_part("", unit.step)
                self._call(unit, suffix, minute, counts[suffix], self.fails(step, minute, unit.is_canary))
            evidence = self._evidence(step, minute, counts)
            if judged(evidence).proven:
                return True
            self.alive = [unit for unit in self.alive if self.rng.random() > 0.1]
            minute += 1
        self.banked, self.offset = bank(ERRORS, evidence), evidence.clock.next_offset
        return False

    def _call(
        self, unit: Unit, suffix: str, minute: int, counts: defaultdict[str, dict[int, int]], chance: float
    ) -> None:
        arm, index = "canary" if unit.is_canary else "stable", slot(minute)
        counts[arm][index] = counts[arm].get(index, 0) + 1
        if self.rng.random() < chance and not unit.is_bad:
            unit.is_bad = True
            counts[f"{arm} bad"][index] = counts[f"{arm} bad"].get(index, 0) + WHOLE

    def _evidence(self, step: int, minute: int, counts: defaultdict[str, defaultdict[str, dict[int, int]]]) -> Evidence:
        arms = {}
        for arm in ("canary", "stable"):
            slots = {f"errors{suffix}": series[f"{arm} bad"] for suffix, series in counts.items()}
            arms[arm] = ArmEvidence(
                requests=counts[""][arm],
                bad=slots,
                bad_units={name: sum(each.values()) // WHOLE for name, each in slots.items()},
                requests_of={suffix: series[arm] for suffix, series in counts.items() if suffix},
            )
        earlier = {number: WEIGHTS[number] for number in range(step)}
        return Evidence(
            WEIGHTS[step], arms["canary"], arms["stable"], minute, step + 1, self.offset, self.banked, earlier=earlier
        )


def _is_alike(step: int, minute: int, is_canary: bool) -> float:
    """Both versions fail 1 %, and a half in the first two minutes of every step."""
    return 0.5 if minute < 2 else 0.01


def test_an_identical_canary_is_not_rolled_back_over_steps_of_long_conversations() -> None:
    """At most 1 %, though steps end when the canary has just enough conversations and outages follow at once."""
    found = [Rollout(_is_alike, random.Random(seed)).run() for seed in range(100)]
    assert sum(map(bool, found)) <= 1


def _breaks(step: int, minute: int, is_canary: bool) -> float:
    """The canary fails every call from the second step on."""
    return 1.0 if is_canary and step else 0.01


def test_a_canary_that_breaks_in_a_later_step_is_rolled_back_by_what_is_under_way() -> None:
    """No conversation begins any more; some twenty of the first step on the canary show it in two calls each."""
    for seed in range(20):
        rollout = Rollout(_breaks, random.Random(seed), arrivals=20)
        assert not rollout.is_rolled_back(0)
        rollout.arrivals = 0
        assert rollout.is_rolled_back(1, most_minutes=2)


def test_each_step_is_weighed_by_its_own_weight() -> None:
    """Five bad units of the canary among six are proof at 5 %, where the running step's 50 % would prove nothing."""
    evidence = second_step(bad(8, 8), bad(1))
    assert judged(evidence).proven is not None
    assert judged(replace(evidence, earlier={FIRST: 0.5})).proven is None
    assert judged(replace(evidence, earlier={})).e_value == pytest.approx(judged(second_step(bad(0), bad(0))).e_value)


def test_calls_of_earlier_steps_count_for_the_floor() -> None:
    """Eight failures among 10,000 calls are below half a percent, whoever began when."""
    assert judged(second_step(bad(8, 10_000), bad(1))).proven is None


def test_rejected_units_of_earlier_steps_are_compared() -> None:
    """Their population are judged and rejected calls, also of earlier steps."""
    evidence = second_step(bad(8, 0, "rejections"), bad(0))
    assert assess(REJECTIONS, (), evidence).proven is not None
    assert evidence.canary.earlier_trials("judged and rejected calls", FIRST) == {0: 8}
    assert evidence.canary.earlier_trials("scored units", FIRST) == {}


def test_no_party_proves_anything_alone_by_old_conversations() -> None:
    """Its part is left out of the earlier steps, too."""
    evidence = replace(second_step(bad(12, 12, c1=11, c2=1), bad(1)), callers=2)
    assert judged(evidence).proven is None
    assert judged(replace(evidence, callers=1, observed_seconds=1e4)).proven is not None


def test_a_breach_says_what_the_conversations_under_way_have_shown() -> None:
    """A reader sees why, though the step's own calls are good; the record has all of it."""
    evidence = second_step(bad(8, 8), bad(1))
    findings = Findings(judged(evidence), evidence, ERRORS)
    decision = rollout.decide(running(), TRIAL, findings, 100.0)
    assert decision is not None and decision.state.phase == "rolled_back"
    assert (
        "of the conversations under way before the step, 8 were bad on the canary and 1 on st" in decision.state.reason
    )
    assert judged(Evidence.from_record(json.loads(json.dumps(asdict(evidence))))) == judged(evidence)


def test_steps_are_evidence_until_a_lower_weight() -> None:
    """A lower weight moves conversations off the canary; a completion ends the comparison."""
    first = running()
    second = rollout.new_segment(first, 1.0, weight=2500).state
    third = rollout.new_segment(second, 1.0, weight=5000).state
    assert third.earlier == ((first.evidence, first.weight), (second.evidence, 2500))
    fourth = rollout.new_segment(third, 1.0, weight=1000).state
    assert fourth.earlier == ((first.evidence, first.weight),)
    assert rollout.complete(third, "Kim", "", 1.0).state.earlier == ()
    assert rollout.restore(third, None, 1.0).state.earlier == ()
    for _ in range(20):
        third = rollout.new_segment(third, 1.0, weight=5000).state
    assert len(third.earlier) == 8
