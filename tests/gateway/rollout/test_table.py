"""The table: what the configuration wants, under what the record says; when in doubt, stable."""

from dataclasses import replace

import pytest

from gateway.rollout.table import Table
from policies.rollout.rollout import reconcile
from policies.rollout.state import Phase, State
from routing.agents import Agent
from tests.support.trials import agent_named

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


def test_a_rollback_means_stable() -> None:
    """Whatever weight the record names; a call that names the version is refused it too."""
    here = table()
    here.turn(AGENT.name, replace(running_state(), phase="rolled_back", rolled_back={CANARY: "why"}))
    entry = here.entry(AGENT.name)
    assert entry and weight(here) == 0 and not entry.on_trial and entry.split.withdrawn == {"v2"}


def test_paused_keeps_its_share() -> None:
    """It does not go on, and it is still watched."""
    here = table()
    here.turn(AGENT.name, replace(running_state(), phase="paused"))
    entry = here.entry(AGENT.name)
    assert entry and entry.on_trial and weight(here) == 500


@pytest.mark.parametrize("agent", [AGENT, agent_named(AGENT.name, None, stable="v2")])
def test_completed_serves_the_canary_to_all(agent: Agent) -> None:
    """By the unchanged file, and by the one in which the canary was made stable, as it should be."""
    here, state = table(), running_state()
    here.turn(AGENT.name, replace(state, phase="completed", weight=10_000))
    here.install({agent.name: agent})
    entry = here.entry(AGENT.name)
    assert entry and entry.split.stable is agent.versions["v2"] and entry.split.canary is None


def test_quarantine_lasts_until_the_next_record() -> None:
    """Also where that is the record this replica had: then the store is back."""
    here, state = table(), running_state()
    here.turn(AGENT.name, state)
    here.quarantine(AGENT.name)
    here.quarantine("nobody")
    assert weight(here) == 0
    assert here.turn(AGENT.name, state) and weight(here) == 500


def test_a_reload_ends_no_quarantine() -> None:
    """Nor an exclusion of this replica alone; another trial, or the next record, does."""
    here, state = table(), running_state()
    here.turn(AGENT.name, state)
    here.exclude(AGENT.name, "party")
    here.install({AGENT.name: AGENT})
    entry = here.entry(AGENT.name)
    assert entry and entry.excluded_here == {"party"} and weight(here) == 500
    here.quarantine(AGENT.name)
    here.install({AGENT.name: AGENT})
    assert (kept := here.entry(AGENT.name)) and kept.is_quarantined and weight(here) == 0
    here.install({AGENT.name: agent_named("support", "v3")})
    assert (other := here.entry(AGENT.name)) and not (other.is_quarantined or other.excluded_here)
    here.install({AGENT.name: AGENT})
    assert here.turn(AGENT.name, replace(state, epoch=state.epoch + 1)) and weight(here) == 500


def test_what_is_dismissed_is_not_heeded() -> None:
    """Guardrails and thresholds of that metric go; what was configured is still known."""
    here = table()
    here.turn(AGENT.name, replace(running_state(), frozen={"latency:0.9": 1.0}, dismissed=("latency_p90",)))
    entry = here.entry(AGENT.name)
    assert entry and len(entry.guardrails) == 9 and len(entry.all_guardrails) == 10
    assert entry.thresholds["canary"].slow == ()


def test_the_canary_is_granted_its_margin() -> None:
    """Slow is over 1.10 times the frozen quantile for the canary, and over the quantile itself for stable."""
    here = table()
    assert here.turn(AGENT.name, running_state())
    assert (before := here.entry(AGENT.name)) and before.thresholds["canary"].slow == ()
    here.turn(AGENT.name, replace(running_state(), frozen={"latency:0.9": 1.0, "cost": 1000.0}))
    entry = here.entry(AGENT.name)
    assert entry and [entry.thresholds[arm].slow[0].seconds for arm in ("stable", "canary")] == [1.0, 1.1]
    assert [entry.thresholds[arm].scales["cost"].most for arm in ("stable", "canary")] == [10_000, 10_500]


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


@pytest.mark.parametrize("phase", ["running", "paused", "completed"])
def test_an_excluded_party_has_an_entry_without_the_canary(phase: Phase) -> None:
    """All of its calls are stable's, also where the canary has become what serves; conversations do not keep it."""
    here = table()
    here.turn(AGENT.name, replace(running_state(), phase=phase, excluded=("c7",)))
    entry = here.entry(AGENT.name)
    assert entry and entry.excluded == {"c7"} and entry.for_excluded
    others = entry.for_excluded
    assert (others.is_excluded, others.split.stable.name, others.split.canary, others.split.weight) == (
        True,
        "v1",
        None,
        0,
    )
    assert CANARY in entry.split.kept and CANARY not in others.split.kept


def test_an_exclusion_ends_when_the_canary_becomes_stable() -> None:
    """By the operator's edit, at once; until the record follows, nobody is kept from it by either."""
    here = table()
    here.turn(AGENT.name, replace(running_state(), phase="completed", excluded=("c7",)))
    here.install({AGENT.name: agent_named("support", None, stable="v2")})
    entry = here.entry(AGENT.name)
    assert entry and entry.state and (entry.split.stable.name, entry.excluded, entry.for_excluded) == (
        "v2", frozenset(), None,
    )  # fmt: skip


def test_an_exclusion_ends_with_the_trial() -> None:
    """And what one replica has excluded alone ends with the next record, the same one included."""
    here, state = table(), running_state()
    here.turn(AGENT.name, replace(state, phase="rolled_back", weight=0, excluded=("c7",)))
    assert (entry := here.entry(AGENT.name)) and not entry.excluded
    here.turn(AGENT.name, replace(state, epoch=9))
    here.exclude(AGENT.name, "c8")
    assert (entry := here.entry(AGENT.name)) and entry.excluded == entry.excluded_here == {"c8"} and entry.on_trial
    assert not entry.is_quarantined
    assert here.turn(AGENT.name, replace(state, epoch=9))
    assert (entry := here.entry(AGENT.name)) and not entry.excluded
