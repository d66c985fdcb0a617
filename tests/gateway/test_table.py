"""The table: what the configuration wants, under what the record says; when in doubt, stable."""

from dataclasses import replace

from gateway.table import Table
from policies.rollout import State, reconcile
from tests.scenarios.test_replicas import agent_named

AGENT = agent_named("support")
CANARY = AGENT.versions["v2"].digest


def table() -> Table:
    table = Table()
    table.install({AGENT.name: AGENT})
    return table


def running_state() -> State:
    """The record of the trial that the configuration asks for, at 5 %."""
    entry = table().entry(AGENT.name)
    assert entry
    decision = reconcile(None, entry.intent, now=0.0)
    assert decision
    return decision.state


def weight(table: Table) -> int:
    entry = table.entry(AGENT.name)
    assert entry
    return entry.split.weight


def test_without_a_record_stable_serves() -> None:
    """Whatever the configuration asks for."""
    assert weight(table()) == 0


def test_the_records_weight_holds() -> None:
    """Not the configuration's."""
    here = table()
    assert here.turn(AGENT.name, replace(running_state(), weight=1234))
    assert weight(here) == 1234


def test_a_record_of_other_versions_means_stable() -> None:
    """The configuration has moved on, and the record has not yet."""
    here = table()
    here.turn(AGENT.name, running_state())
    here.install({AGENT.name: agent_named("support", "v3")})
    assert weight(here) == 0


def test_only_a_running_trial_gets_traffic() -> None:
    """Rolled back or paused: stable."""
    for change in ({"phase": "paused"}, {"phase": "rolled_back", "rolled_back": {CANARY: "why"}}):
        here = table()
        here.turn(AGENT.name, replace(running_state(), **change))
        assert weight(here) == 0


def test_an_older_record_changes_nothing() -> None:
    """Nor does the one it has; another one of the same epoch does, for a store may lose its last moments."""
    here, state = table(), replace(running_state(), epoch=5)
    assert here.turn(AGENT.name, state)
    assert not here.turn(AGENT.name, replace(state, epoch=4, weight=1)) and not here.turn(AGENT.name, state)
    assert here.turn(AGENT.name, replace(state, weight=2)) and weight(here) == 2


def test_records_outlive_configurations() -> None:
    """An agent that was taken out and put back stands where it stood."""
    here = table()
    here.turn(AGENT.name, running_state())
    here.install({})
    assert list(here) == [] and here.entry(AGENT.name) is None
    assert here.turn(AGENT.name, replace(running_state(), epoch=2, weight=700))
    here.install({AGENT.name: AGENT})
    assert list(here) == [AGENT.name] and weight(here) == 700
