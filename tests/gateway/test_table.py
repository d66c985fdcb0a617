"""The routing table: what the configuration wants, under what the record says."""

from typing import Any

import pytest

from gateway.table import Entry, Table
from policies.rollout import State, VersionRef
from routing.agents import Agent, AgentVersion, Target
from routing.rules import Rule

V1, V2 = (AgentVersion(name, Target("house", name)) for name in ("v1", "v2"))


def agent(**changes: Any) -> Agent:
    settings: dict[str, Any] = {"name": "support", "versions": {"v1": V1, "v2": V2}, "stable": "v1", "canary": "v2"}
    return Agent(**{**settings, "weight": 500, **changes})


def state(**changes: Any) -> State:
    settings: dict[str, Any] = {
        "epoch": 3, "phase": "running", "step": 1, "weight": 500, "stable": VersionRef("v1", V1.digest),
        "canary": VersionRef("v2", V2.digest), "rollout": 1, "evidence": 1, "reason": "", "actor": "controller",
        "action": "start", "changed_at": 0.0, "rolled_back": {},
    }  # fmt: skip
    return State(**{**settings, **changes})


def test_a_running_rollout_splits_the_traffic() -> None:
    """The canary gets the record's share, not the configuration's."""
    split = Entry.of(agent(weight=2500), state(weight=500)).split
    assert (split.canary, split.weight) == (V2, 500)


@pytest.mark.parametrize(
    "record",
    [
        None,
        state(phase="rolled_back"),
        state(stable=VersionRef("v1", "another")),
        state(canary=None, phase=None),
        state(rolled_back={V2.digest: "it failed"}),
    ],
)
def test_without_a_fitting_record_everything_is_on_stable(record: State | None) -> None:
    """An unknown record, another one, or a rollback means stable only."""
    split = Entry.of(agent(), record).split
    assert (split.stable, split.canary, split.weight) == (V1, None, 0)


def test_a_rolled_back_version_stays_withdrawn_when_its_canary_line_is_removed() -> None:
    """A rule does not bring it back either."""
    ended = agent(canary=None, weight=0, rules=(Rule({}, "v2"),))
    split = Entry.of(ended, state(canary=None, phase=None, rolled_back={V2.digest: "it failed"})).split
    assert split.withdrawn == {"v2"}


def test_a_rolled_back_version_that_is_made_stable_is_not_withdrawn() -> None:
    """The operator's word stands against the record's."""
    promoted = agent(stable="v2", canary=None, weight=0)
    assert Entry.of(promoted, state(rolled_back={V2.digest: "it failed"})).split.withdrawn == frozenset()


def test_an_older_record_changes_nothing() -> None:
    """A reply that was overtaken does not turn the table back."""
    table = Table()
    table.install({"support": agent()})
    assert table.turn("support", state(epoch=4, phase="rolled_back"))
    assert not table.turn("support", state(epoch=3))
    entry = table.entry("support")
    assert entry is not None
    assert not entry.on_trial


def test_a_new_configuration_keeps_the_record() -> None:
    """Only the store changes what is on record."""
    table = Table()
    table.install({"support": agent()})
    table.turn("support", state())
    table.install({"support": agent(), "other": agent(name="other")})
    entry, seen = table.entry("support"), table.seen("support")
    assert entry is not None and entry.on_trial
    assert seen == state()
    assert list(table) == ["support", "other"]
