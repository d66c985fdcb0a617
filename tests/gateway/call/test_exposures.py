"""Calls of a trial whose one circuit is open: what of a conversation is tried at its own target."""

from gateway.call.circuits import Circuits
from gateway.call.exposures import Exposures
from gateway.rollout.table import Entry, Table
from gateway.rollout.under_way import UnderWay
from gateway.runtime import CircuitRules
from policies.evidence.exposure import EACH
from routing.plan import Plan, arm_of_unit
from tests.support.trials import agent_named, begun, outcome


def entry_on_trial() -> Entry:
    """An agent whose versions have different targets."""
    table, agent = Table(), agent_named("a", weight=5_000)
    table.install({"a": agent})
    table.turn("a", begun(agent))
    entry = table.entry("a")
    assert entry
    return entry


def test_of_a_chain_the_first_calls_are_tried() -> None:
    """Each turn of a chain of answers is under a unit of its own, and all of them are one conversation."""
    entry, circuits, under_way = entry_on_trial(), Circuits(lambda: 0.0), UnderWay(lambda: 0.0)
    canary = entry.agent.versions["v2"].target
    circuits.of_target(canary, CircuitRules(failures=1, open_for=60.0)).failed(0.0)
    exposures, exposed = Exposures(circuits), list[bool]()
    for turn in range(10):
        plan = under_way.follow(Plan(arm_of_unit(entry.split, f"{turn}"), "split", f"{turn}", ()), entry, 0.0)
        call = outcome("stable", unit=plan.unit)
        exposures.settle(call, plan, entry)
        exposed.append(call.exposed)
        under_way.expect(f"{turn + 1}", plan, entry)
    assert exposed == [True] * EACH + [False] * (10 - EACH)
