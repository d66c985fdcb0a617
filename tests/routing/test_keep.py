"""Which version a conversation under way keeps, and what moves it."""

from dataclasses import replace

import pytest

from routing.agents import AgentVersion
from routing.plan import Beginning, Plan, Split, keep, route

from .samples import V1, V2, V3, agent, facts, trial

KEPT = {version.digest: version for version in (V1, V2)}
AGENT = agent()


def step(weight: int) -> Split:
    """v2 on trial over v1, in the step of epoch 5."""
    return replace(trial(weight), step=5, kept=KEPT)


def kept(split: Split, begun: Beginning) -> Plan:
    return keep(AGENT, split, route(AGENT, split, facts()), begun)


def test_a_conversation_keeps_the_version_it_began_on() -> None:
    """Though its weight includes it now, with that version's own targets; it is no evidence."""
    plan = kept(step(10_000), Beginning(4, V1.digest))
    assert (plan.version, plan.targets, plan.held) == (V1, (V1.target,), True)


def test_within_its_step_the_split_holds() -> None:
    """A conversation that began in the running step is evidence."""
    plan = kept(step(10_000), Beginning(5, V2.digest))
    assert (plan.version, plan.held) == (V2, False)


@pytest.mark.parametrize("weight", [0, 10_000])
def test_who_stays_where_the_weight_puts_them_is_held_too(weight: int) -> None:
    """Else stable's conversations would be older than the canary's."""
    split = step(weight)
    assert kept(split, Beginning(4, (V2 if weight else V1).digest)).held


def earlier(begun: Beginning) -> Plan:
    """A turn of a conversation, where those of the step of epoch 4 are evidence."""
    return kept(replace(step(10_000), earlier=frozenset({4})), begun)


@pytest.mark.parametrize("version", [V1, V2])
def test_a_conversation_of_an_earlier_step_is_evidence_of_that_step(version: AgentVersion) -> None:
    """It stays on the arm that the weight of that step has drawn for it."""
    plan = earlier(Beginning(4, version.digest, 10_000 if version is V2 else 0))
    assert (plan.version, plan.held, plan.origin) == (version, False, 4)


@pytest.mark.parametrize(
    "begun",
    [
        Beginning(4, V1.digest, 10_000),  # moved there, by files or by a person
        Beginning(4, V2.digest, 0),
        Beginning(3, V1.digest, 0),  # before the trial
        Beginning(4, V3.digest, 0),  # no version of the trial
        Beginning(0, V1.digest, 0),  # drawn by no weight
    ],
)
def test_who_is_not_where_a_weight_has_drawn_them_is_held(begun: Beginning) -> None:
    """Only then do bad events fall on the arms by that weight."""
    plan = earlier(begun)
    assert (plan.held, plan.origin) == (True, 0)


@pytest.mark.parametrize(
    ("begun", "origin"),
    [
        (Beginning(-4, V1.digest, 0, "first"), 4),
        (Beginning(-4, V2.digest, 0, "first"), 4),
        (Beginning(-5, V1.digest, 10_000, "first"), 0),  # of the running step
    ],
)
def test_a_later_turn_is_evidence_of_the_step_that_drew_its_arm(begun: Beginning, origin: int) -> None:
    """Its own bucket says nothing, so neither does the arm that this would give it."""
    plan = earlier(begun)
    assert (plan.version.digest, plan.held, plan.origin, plan.drawn) == (begun.digest, False, origin, "first")


@pytest.mark.parametrize("begun", [Beginning(-3, V1.digest, 0, "first"), Beginning(0, V2.digest, 0, "first")])
def test_a_later_turn_whose_arm_no_counted_step_drew_is_held(begun: Beginning) -> None:
    """It began before the trial, or was moved."""
    plan = earlier(begun)
    assert (plan.held, plan.origin) == (True, 0)


def test_a_replica_with_old_files_is_heeded() -> None:
    """It knows the step and not its canary, and puts on stable whoever begins there."""
    plan = kept(step(10_000), Beginning(5, V1.digest))
    assert (plan.version, plan.held) == (V1, True)


def test_a_lower_weight_moves_the_canarys_conversations() -> None:
    """It is a person's word."""
    plan = kept(step(0), Beginning(4, V2.digest, 500))
    assert (plan.version, plan.held) == (V1, True)


def test_a_lower_weight_draws_all_turns_of_a_conversation_alike() -> None:
    """By the unit that drew its arm: at half the weight half of the chains stay on the canary."""
    stays = []
    for number in range(400):
        begun = Beginning(-4, V2.digest, 5_000, f"first {number}")
        versions = {
            keep(AGENT, step(2_500), route(AGENT, step(2_500), facts(conversation=f"turn {turn}")), begun).version.name
            for turn in range(3)
        }
        assert len(versions) == 1
        stays.append(versions == {"v2"})
    assert 160 <= sum(stays) <= 240


def test_a_conversation_that_goes_on_under_another_unit_keeps_the_canary() -> None:
    """That unit's own place says nothing; only a lower weight moves it."""
    assert kept(step(0), Beginning(4, V2.digest)).version is V2


def test_a_later_step_that_another_replica_knows_is_believed() -> None:
    """Its units keep the canary here, too, whatever the weight that is still known here."""
    plan = kept(step(0), Beginning(6, V2.digest))
    assert (plan.version, plan.held) == (V2, True)


def test_a_version_that_is_not_kept_any_more_is_left() -> None:
    """It was rolled back, edited or deleted."""
    plan = kept(step(0), Beginning(4, V3.digest))
    assert (plan.version, plan.held) == (V1, True)


def test_after_a_trial_only_what_differs_from_the_split_is_held() -> None:
    """v2 serves everything: conversations on v1 end there."""
    completed = Split(V2, step=5, kept=KEPT)
    assert kept(completed, Beginning(4, V1.digest)).version is V1
    assert not kept(completed, Beginning(4, V2.digest)).held
