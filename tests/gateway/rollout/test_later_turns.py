"""Chains of answers, each turn under a unit of its own: evidence of the unit that drew the arm, and of no other."""

import io
import random
from collections import defaultdict
from dataclasses import replace

from gateway import logs
from gateway.call.recording import arm_of
from gateway.calls import Attempt
from gateway.pricing import PriceBook
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.table import Entry
from gateway.rollout.under_way import UnderWay
from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence
from policies.guardrails.grammar import parse
from policies.guardrails.guardrails import assess
from policies.rollout.rollout import reconcile
from routing.plan import Plan, arm_of_unit
from tests.support.trials import agent_named, outcome

GUARDRAILS = (parse("error_rate <= stable * 1.25"),)
SHARES = (0.0, 0.0, 0.01, 0.02, 0.05, 0.4, 1.0)  # of failing calls, one for each chain
Bad = dict[str, set[str]]


def trial_entry() -> Entry:
    """An agent whose canary has 20 %."""
    entry = Entry.of(replace(agent_named("a"), idle=60.0), None)
    decision = reconcile(None, entry.intent, 0.0)
    assert decision
    return entry.with_state(replace(decision.state, weight=2_000))


def side(requests: int, bad: Bad) -> ArmEvidence:
    """What the store would say of an arm."""
    slots = {name: {0: len(units) * WHOLE} for name, units in bad.items()}
    return ArmEvidence({0: requests}, units=99, bad=slots, bad_units={name: len(units) for name, units in bad.items()})


def rolled_back(seed: int, canary_fails: bool = False, most: int = 300) -> bool:
    """Whether a canary is rolled back within so many of its calls; forty chains are under way."""
    rng, entry, under_way = random.Random(seed), trial_entry(), UnderWay(lambda: 0.0)
    recorder = Recorder(logs.to(io.BytesIO()), Clock(lambda: 100.0, lambda: 1e9))
    requests, bad = {"canary": 0, "stable": 0}, {arm: defaultdict[str, set[str]](set) for arm in ("canary", "stable")}
    chains, number = list[tuple[str, float]](), 0
    while requests["canary"] < most:
        number += 1
        is_new = len(chains) < 40
        unit, share = (
            (f"{seed} {number}", 0.01 if canary_fails else rng.choice(SHARES))
            if is_new
            else chains.pop(rng.randrange(40))
        )
        plan = under_way.follow(Plan(arm_of_unit(entry.split, unit), "split", unit, ()), entry, 0.0)
        arm = arm_of(plan, entry)
        assert arm and not plan.held
        failed = rng.random() < (1.0 if canary_fails and arm == "canary" and not is_new else share)
        attempts = [Attempt("p/m", 99.5, status=500, failure="status", counts=True)] if failed else []
        call = outcome(arm, *attempts, end="failed" if failed else "answered", unit=unit)
        call.drawn = plan.drawn
        recorder.close(call, PriceBook((), {}))
        batch = recorder.take("a")
        assert batch
        for name, counts in (("canary", batch.canary), ("stable", batch.stable)):
            requests[name] += counts.requests
            for component, units in counts.bad.items():
                bad[name][component] |= units.keys()
        if rng.random() < 0.9:
            under_way.expect(f"{seed} {number} next", plan, entry)
            chains.append((unit if failed else f"{seed} {number} next", share))
        evidence = Evidence(0.2, side(requests["canary"], bad["canary"]), side(requests["stable"], bad["stable"]))
        if failed and arm == "canary" and assess(GUARDRAILS, (), evidence, ()).proven:
            return True
    return False


def test_an_identical_canary_is_not_rolled_back_by_chains_that_fail_as_a_whole() -> None:
    """In twenty rollouts, one in seven of whose chains fails every call."""
    assert not any(map(rolled_back, range(20)))


def test_a_canary_that_fails_every_later_turn_is_rolled_back() -> None:
    """In each of twenty rollouts, within some tens of its calls."""
    assert all(rolled_back(seed, canary_fails=True, most=150) for seed in range(20))
