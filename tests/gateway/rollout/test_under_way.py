"""What one replica remembers of conversations under way: bounded, until they are silent, and shared once."""

import asyncio
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace

import pytest

from gateway.rollout.recent_units import LIVE_SECONDS, LONGEST_SETTLE_SECONDS, PAIRED, SEEN, SETTLE_SECONDS, Begun
from gateway.rollout.table import Entry
from gateway.rollout.under_way import UnderWay
from gateway.rollout.weighing import unit_id
from policies.rollout.rollout import new_segment, reconcile
from policies.rollout.state import State
from routing.agents import Running, Sticky
from routing.assignment import unit_of
from routing.facts import Facts
from routing.plan import Beginning, Plan, arm_of_unit
from tests.support.trials import agent_named

AGENT = agent_named("support")
UNITS = [f"unit {number}" for number in range(100)]


class Stage:
    """An agent, its record and one replica's memory; the time passes by hand."""

    def __init__(self, running: Running = "keep") -> None:
        self.now, self.number = 0.0, 0
        self.agent = replace(AGENT, idle=60.0, running=running)
        self.under_way = UnderWay(lambda: self.now)
        self.state: State | None = None
        self.turn(0)

    def turn(self, weight: int) -> None:
        """A step of that weight begins."""
        entry = Entry.of(self.agent, None)
        if self.state is None:
            decision = reconcile(None, entry.intent, 0.0)
            assert decision
            self.state = replace(decision.state, weight=weight)
        else:
            self.state = new_segment(self.state, self.now, weight=weight).state
        self.entry = entry.with_state(self.state)

    def call(self, unit: str) -> Plan:
        """A call of the unit."""
        plan = Plan(arm_of_unit(self.entry.split, unit), "split", unit, ())
        return self.under_way.follow(plan, self.entry, self.now)

    def versions(self) -> set[str]:
        """Who serves the units now."""
        return {self.call(unit).version.name for unit in UNITS}

    def hear(self, unit: str, begun: Beginning, replica: str = "") -> None:
        """Another replica says where a unit began."""
        self.under_way.learn(Begun("support", begun, [unit_id(unit)]), 60.0, replica)

    def hear_seen(self, replica: str) -> None:
        """Another replica says that it has seen the step."""
        assert self.state
        self.under_way.learn(Begun("support", Beginning(self.state.evidence, SEEN), []), 60.0, replica)

    def begins(self) -> str:
        """Which version a new unit gets."""
        self.number += 1
        return self.call(f"new {self.number}").version.name


def test_a_units_first_call_begins_it() -> None:
    """As far as anybody knows: what another replica has heard of does not begin here."""
    stage = Stage()
    stage.hear("heard of", Beginning(1, "digest"), "other")
    assert [stage.call(unit).begins for unit in ("a", "a", "b", "heard of")] == [True, False, True, False]


@pytest.mark.parametrize("running", ["keep", "move"])
def test_a_single_call_begins_its_unit(running: Running) -> None:
    """Whether or not conversations keep their versions."""
    stage = Stage(running)
    alone = unit_of(Sticky("request"), Facts("web", "", "", "", "id"))
    assert stage.call(alone).begins and stage.call(alone).begins


def test_a_unit_keeps_its_version_until_it_is_silent() -> None:
    """Used again within `idle` it is held, for hours; silent for twice that it falls by weight."""
    here = Stage()
    here.versions()
    here.turn(10_000)
    for _ in range(20):
        here.now += 59.0
        assert here.versions() == {"v1"}
    assert here.call(UNITS[0]).held
    here.now += 121.0
    assert here.versions() == {"v2"}
    assert not here.call(UNITS[0]).held


def test_with_move_the_weight_holds_at_once() -> None:
    """Nothing is remembered, and nothing held."""
    here = Stage(running="move")
    here.versions()
    here.turn(10_000)
    assert here.versions() == {"v2"} and not here.call(UNITS[0]).held
    assert not here.under_way.take(100)


def test_pinned_calls_leave_their_conversation_alone() -> None:
    """A pin and a rule are for the call that they are about."""
    here = Stage()
    pinned = Plan(here.entry.split.stable, "pin", "unit", ())
    assert here.under_way.follow(pinned, here.entry, 0.0) is pinned
    assert not here.under_way.take(100)


def test_who_was_moved_stays_where_they_are() -> None:
    """A weight that was lowered and raised again moves nobody a second time."""
    here = Stage()
    here.turn(10_000)
    assert here.versions() == {"v2"}
    here.turn(0)
    assert here.versions() == {"v1"}
    here.turn(10_000)
    assert here.versions() == {"v1"}


def test_what_another_replica_began_is_kept_here() -> None:
    """Of two beginnings the later step holds, so that replicas agree."""
    here = Stage()
    here.turn(10_000)
    assert here.state
    v1, v2 = (here.agent.versions[name].digest for name in ("v1", "v2"))
    here.hear("a", Beginning(here.state.evidence - 1, v1))
    assert here.call("a").version.name == "v1"
    here.hear("a", Beginning(here.state.evidence, v2))
    here.hear("a", Beginning(here.state.evidence - 1, v1))
    assert here.call("a").version.name == "v2"


def expected(here: Stage, plans: Iterable[Plan], after: str = "after") -> list[Plan]:
    """The next turns of these, each under a unit of its own."""
    for plan in plans:
        here.under_way.expect(f"{after} {plan.unit}", plan, here.entry)
    return [here.call(f"{after} {plan.unit}") for plan in plans]


def test_a_turn_that_was_expected_counts_for_the_unit_that_drew_its_arm() -> None:
    """Over any number of turns; its own bucket, which may say something else, has drawn nothing."""
    here = Stage()
    here.turn(5_000)
    begun = [here.call(unit) for unit in UNITS]
    for turns in (second := expected(here, begun), expected(here, second, "then")):
        assert [plan.version for plan in turns] == [plan.version for plan in begun]
        assert [plan.drawn for plan in turns] == [unit_id(unit) for unit in UNITS]
        assert not any(plan.held or plan.origin for plan in turns)


def test_a_turn_that_was_expected_counts_in_the_step_that_drew_its_arm() -> None:
    """Also when a later step runs, and when it goes on there; a lower weight, which moves some, ends that."""
    here = Stage()
    here.turn(3_000)
    turns = expected(here, [here.call(unit) for unit in UNITS])
    assert here.state
    began = here.state.evidence
    here.turn(6_000)
    later = [here.call(plan.unit) for plan in turns]
    for plans in (later, expected(here, later, "then")):
        assert {(plan.origin, plan.held) for plan in plans} == {(began, False)}
        assert [plan.version for plan in plans] == [plan.version for plan in turns]
    here.turn(1_000)
    assert all(plan.held and not plan.origin for plan in [here.call(plan.unit) for plan in turns])
    here.turn(6_000)
    assert all(plan.held for plan in [here.call(plan.unit) for plan in turns])


def test_a_lower_weight_moves_a_chain_once_or_not_at_all() -> None:
    """Half of the chains stay when the weight is halved, and these through all their later turns."""
    here = Stage()
    here.turn(5_000)
    begun = [here.call(f"chain {number}") for number in range(600)]
    turns = expected(here, [plan for plan in begun if plan.version.name == "v2"])
    here.turn(2_500)
    repeated = [here.call(plan.drawn and plan.unit.removeprefix("after ")) for plan in turns]
    for first in (turns, [plan for plan in repeated if plan.version.name == "v2"]):
        turns = expected(here, [here.call(plan.unit) for plan in first], f"{len(first)} then")
        left = [plan.version.name for plan in turns]
        assert 0.4 < left.count("v2") / len(begun) * 2 < 0.6
        for number in range(3):
            turns = expected(here, turns, f"{len(first)} {number}")
            assert [plan.version.name for plan in turns] == left


def test_a_turn_that_follows_no_draw_is_no_evidence() -> None:
    """Of conversations from before the trial, and of an excluded party: no weight has drawn their arm."""
    here = Stage()
    here.turn(0)
    here.entry = replace(here.entry, split=replace(here.entry.split, canary=None))
    turns = expected(here, [here.call(unit) for unit in UNITS])
    here.turn(5_000)
    for plans in (turns := [here.call(plan.unit) for plan in turns], expected(here, turns, "then")):
        assert all(plan.held and not plan.origin for plan in plans)


def test_a_turn_is_evidence_at_a_replica_that_heard_of_it() -> None:
    """With the unit that drew its arm, and told on in the same words; who said nothing of that unit gets it held."""
    here, there = Stage(), Stage()
    for stage in (here, there):
        stage.turn(5_000)
    turns = expected(here, [here.call(unit) for unit in UNITS])
    for begun in here.under_way.take(7):
        there.under_way.learn(begun, 60.0, "here")
    assert [there.call(plan.unit) for plan in turns] == turns
    there.under_way.share_everything()
    assert sum(len(begun.units) for begun in there.under_way.take(500)) == 2 * len(UNITS)
    there.hear("old words", Beginning(0, here.agent.versions["v2"].digest))
    assert there.call("old words").held


def test_replicas_agree_on_two_turns_of_one_name_whatever_their_arms() -> None:
    """Two conversations may get the same answer at once. Which of them holds must not depend on its version."""
    v1, v2 = (AGENT.versions[name].digest for name in ("v1", "v2"))
    for one, other in ((v1, v2), (v2, v1)):
        stages, begun = (Stage(), Stage()), (Beginning(-2, one, 0, unit_id("a")), Beginning(-2, other, 0, unit_id("b")))
        for stage, heard in zip(stages, (begun, begun[::-1]), strict=True):
            for each in heard:
                told = [unit_id("name") + each.drawn]
                stage.under_way.learn(Begun("support", each._replace(drawn=PAIRED), told), 60.0)
        drawn = min(unit_id("a"), unit_id("b"))
        assert {stage.call("name").drawn for stage in stages} == {drawn}


async def test_a_turn_waits_for_the_word_of_another_replica() -> None:
    """Until it comes, or for a moment; not where nobody can know the unit, and not while nothing is heard."""
    here = Stage()
    here.under_way = UnderWay(lambda: here.now, hear_seconds=3600)
    here.turn(5_000)
    assert not here.under_way.may_hear_of("a", here.entry)
    v2 = Beginning(1, here.agent.versions["v2"].digest)
    here.hear("elsewhere", v2)
    assert here.under_way.may_hear_of("a", here.entry) and not here.under_way.may_hear_of("elsewhere", here.entry)
    waiting = asyncio.create_task(here.under_way.hear_of("a"))
    await asyncio.sleep(0)
    here.hear("a", v2)
    await waiting
    assert here.call("a").version.name == "v2"
    await UnderWay(lambda: here.now, hear_seconds=0.001).hear_of("what nobody tells")
    here.under_way.is_deaf = True
    assert not here.under_way.may_hear_of("b", here.entry)


async def test_each_call_that_waits_for_a_unit_hears_of_it() -> None:
    """Though another that came before it has given up, or has left."""
    here = Stage()
    here.under_way = UnderWay(lambda: here.now, hear_seconds=0.01)
    impatient = asyncio.create_task(here.under_way.hear_of("a"))
    await asyncio.sleep(0)
    here.under_way._hear_seconds = 3600
    leaving, waiting = (asyncio.create_task(here.under_way.hear_of("a")) for _ in range(2))
    await impatient
    leaving.cancel()
    await asyncio.wait([leaving])
    here.hear("a", Beginning(1, here.agent.versions["v2"].digest))
    async with asyncio.timeout(10):
        await waiting
    assert not here.under_way._awaited


def test_a_step_waits_for_new_units_where_other_replicas_serve() -> None:
    """Until all of them know of the step, a new unit begins in the step before, and is no evidence."""
    here = Stage()
    here.hear("elsewhere", Beginning(0, here.agent.versions["v1"].digest))
    here.call("before")
    here.turn(10_000)
    assert (here.call("at once").version.name, here.call("at once").held) == ("v1", True)
    assert here.under_way.is_hasty
    here.now += SETTLE_SECONDS
    assert (here.call("later").version.name, here.call("later").held) == ("v2", False)
    assert here.call("at once").version.name == "v1"


def test_a_step_waits_from_when_the_replica_hears_of_it() -> None:
    """Not from its next new conversation on: on a quiet replica that would follow the old weight long afterwards."""
    here = Stage()
    here.hear("elsewhere", Beginning(0, here.agent.versions["v1"].digest))
    here.under_way.see(here.entry)
    here.turn(10_000)
    here.under_way.see(here.entry)
    assert here.call("at once").version.name == "v1"
    here.now += SETTLE_SECONDS
    assert (here.call("later").version.name, here.call("later").held) == ("v2", False)


def test_a_step_waits_until_the_others_have_seen_it() -> None:
    """However late a busy replica hears of it; from then on as long as for any, so that all of them begin together."""
    here = Stage()
    v1 = Beginning(0, here.agent.versions["v1"].digest)
    here.hear("elsewhere", v1, "busy")
    here.call("before")
    here.turn(10_000)
    here.under_way.see(here.entry)
    here.now += SETTLE_SECONDS + 3
    assert here.begins() == "v1" and here.under_way.is_hasty
    here.hear_seen("busy")
    here.now += SETTLE_SECONDS - 0.1
    assert here.begins() == "v1"
    here.now += 0.2
    assert here.begins() == "v2"


def in_a_step_unseen_by(name: str, silent: float = 0.0) -> Stage:
    """A step that began so long after another replica was heard, which has not said that it has seen the step."""
    here = Stage()
    here.hear("elsewhere", Beginning(0, here.agent.versions["v1"].digest), name)
    here.now += silent
    here.call("before")
    here.turn(10_000)
    here.under_way.see(here.entry)
    return here


@pytest.mark.parametrize(("silent", "waits"), [(LIVE_SECONDS, SETTLE_SECONDS), (0.0, LONGEST_SETTLE_SECONDS)])
def test_a_step_does_not_wait_for_ever_for_who_is_gone(silent: float, waits: float) -> None:
    """A replica that says nothing is waited for some seconds at most, one that was silent before it not at all."""
    here = in_a_step_unseen_by("gone", silent)
    here.now += waits - 0.1
    assert here.begins() == "v1"
    here.now += 0.2
    assert here.begins() == "v2"


def test_a_step_waits_for_a_store_that_is_away() -> None:
    """Until the others are heard again, and what they have told meanwhile is read; for half a minute at most."""
    here = in_a_step_unseen_by("other")
    here.under_way.is_deaf = True
    here.now += 29
    assert here.begins() == "v1"
    here.under_way.hear_again()
    here.hear_seen("other")
    here.now += SETTLE_SECONDS - 0.1
    assert here.begins() == "v1"
    here.now += 0.2
    assert here.begins() == "v2"


def test_a_step_does_not_wait_for_ever_for_the_store() -> None:
    """Whoever may not read what others tell begins it half a minute later."""
    here = in_a_step_unseen_by("other")
    here.under_way.is_deaf = True
    here.now += 31
    assert here.begins() == "v2"


def test_that_a_step_was_seen_is_told_behind_all_that_began_before() -> None:
    """Once, and again when it did not arrive or the store has lost it."""
    here = Stage()
    here.under_way.see(here.entry)
    here.call("before")
    here.turn(10_000)
    here.under_way.see(here.entry)
    told = here.under_way.take(100)
    assert [begun.beginning.digest == SEEN for begun in told] == [False, True, True]
    assert not here.under_way.take(100)
    here.under_way.give_back(told)
    assert len(here.under_way.take(100)) == 3
    here.under_way.share_everything()
    assert here.under_way.take(100)[-1].beginning.step == here.entry.split.step


def test_replicas_that_come_and_go_are_forgotten() -> None:
    """However many there were."""
    here = Stage()
    for number in range(1_000):
        here.now += 1
        here.hear("elsewhere", Beginning(0, "v1"), f"replica {number}")
        here.hear_seen(f"replica {number}")
    units = here.under_way._agents["support"]
    assert len(units.heard_at) <= 100 and len(units.seen) <= 100


def test_what_is_new_is_shared_once_and_again_when_it_did_not_arrive() -> None:
    """In portions, by where it began."""
    here = Stage()
    here.versions()
    first = here.under_way.take(30)
    assert sorted(len(begun.units) for begun in first if begun.units) == [10, 30, 30, 30]
    assert not here.under_way.take(30)
    here.under_way.give_back(first)
    assert sum(len(begun.units) for begun in here.under_way.take(1000)) == 100
    here.now += 100.0
    here.versions()  # in another generation it is news again: a replica that began since then has not heard it
    assert sum(len(begun.units) for begun in here.under_way.take(1000)) == 100
    here.under_way.share_everything()
    assert sum(len(begun.units) for begun in here.under_way.take(1000)) == 100


def test_agents_that_are_gone_are_forgotten() -> None:
    """And their share of the memory is the others'."""
    here = Stage()
    here.versions()
    here.under_way.keep_agents([here.entry])
    assert here.under_way.take(1000)
    here.under_way.keep_agents([])
    here.turn(10_000)
    assert here.versions() == {"v2"}


def test_the_memory_is_bounded() -> None:
    """However many units come, so many of them are kept, below 200 bytes each; the agent is named."""
    here = Stage()
    here.under_way = UnderWay(lambda: here.now, most_units=8_000)
    here.under_way.keep_agents([here.entry])
    tracemalloc.start()
    for number in range(30_000):
        here.call(f"one of many {number}")
        if number % 100 == 0:
            here.under_way.take(1000)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    unit_id.cache_clear()
    assert used < 200 * 8_000 + 500_000
    assert here.under_way.take_forgetful() == ["support"] and here.under_way.take_forgetful() == []


def size_of(here: Stage) -> int:
    """How many units are remembered."""
    return sum(units.size for units in here.under_way._agents.values())


def test_the_memory_of_calls_by_themselves_is_bounded() -> None:
    """Whatever brings units in: those that are expected after a call, marked, joined, heard of or used again."""
    here = Stage()
    here.under_way = UnderWay(lambda: here.now, most_units=1_000)
    v1 = Beginning(here.entry.split.step, here.agent.versions["v1"].digest)
    for number in range(2_000):
        plan = here.call(f"\0request\0{number}")
        here.under_way.expect_ids([f"{number:012x}{place:04x}" for place in range(6)], plan, here.entry)
        here.under_way.mark(f"mark {number}", here.entry)
        here.under_way.join("support", f"joined {number}", f"{number:012x}0000")
        here.hear(f"elsewhere {number}", v1)
        here.now += 0.1
        here.under_way.knows("support", f"joined {number - 400}")
        assert size_of(here) <= 1_000
        here.under_way.take(500)
    assert here.under_way.take_forgetful() == ["support"]


def test_what_waits_for_the_store_is_bounded() -> None:
    """While the store is away no more waits to be told than is remembered."""
    here = Stage()
    here.under_way = UnderWay(lambda: here.now, most_units=4_000)
    here.under_way.keep_agents([here.entry])
    for number in range(40_000):
        here.call(f"one of many {number}")
        if number % 1_000 == 0:
            here.under_way.give_back(here.under_way.take(500))
    waiting = here.under_way.take(500)
    assert sum(len(begun.units) for begun in waiting) <= 4_000


def test_a_flood_at_one_agent_moves_nobody_elses_conversations() -> None:
    """The agent with the most units forgets its own; another's conversation goes on where it was."""
    here = Stage()
    flooded = replace(here.entry, agent=replace(here.entry.agent, name="flooded"))
    here.under_way = UnderWay(lambda: here.now, most_units=4_000)
    here.under_way.keep_agents([here.entry, flooded])
    before = here.versions()
    here.entry, calm = flooded, here.entry
    for number in range(20_000):
        here.call(f"one of many {number}")
    here.entry = calm
    assert here.versions() == before and here.under_way.take_forgetful() == ["flooded"]
