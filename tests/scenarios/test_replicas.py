"""Replicas over one store: one decision for all of them, whoever sees the proof first, and one history in the end."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gateway.timings import Timings
from routing.agents import Agent, AgentVersion, RolloutStep
from routing.chain import Target
from tests.support.faulty_store import stall
from tests.support.replicas import Replica, replicas
from tests.support.waiting import SOON, within

DECIDERS = 32
RACES = 30
NO_POLL = Timings(poll=600.0)
GUARDRAILS = ("error_rate <= stable * 1.25", "error_rate <= 20%")


def agent_named(name: str, canary: str | None = "v2", weight: int = 500) -> Agent:
    versions = {each: AgentVersion(each, Target("standin", each)) for each in ("v1", "v2", "v3")}
    return Agent(name, versions, "v1", canary, (RolloutStep(weight),) if canary else (), guardrails=GUARDRAILS)


async def test_32_deciders_make_one_decision(redis_url: str, agent: str) -> None:
    """All see the same proof at the same moment, race after race: one rollback, one audit event, one state for all."""
    async with replicas(redis_url, DECIDERS) as deciders:
        for race in range(RACES):
            await _race(deciders, agent_named(f"{agent}-{race}"))


async def _race(deciders: Sequence[Replica], agent: Agent) -> None:
    await asyncio.gather(*(each.configure(agent) for each in deciders))
    for number, each in enumerate(deciders):
        each.fail(agent.name, f"unit {number}")
    await asyncio.gather(*(each.controller.finish() for each in deciders))
    events = await deciders[0].store.audit(agent.name, 100)
    assert [event["action"] for event in events] == ["roll_back", "start"]
    assert events[0]["evidence"]["canary_failing"] >= 3
    await asyncio.gather(*(each.controller.poll() for each in deciders))
    assert len({(each.state(agent.name).epoch, each.state(agent.name).phase) for each in deciders}) == 1


async def test_a_configuration_is_begun_once(redis_url: str, agent: str) -> None:
    """Eight replicas start, and later reload, at the same moment: one event for each."""
    async with replicas(redis_url, 8) as all_of_them:
        await asyncio.gather(*(each.configure(agent_named(agent)) for each in all_of_them))
        await asyncio.gather(*(each.configure(agent_named(agent, weight=2500)) for each in all_of_them))
        events = await all_of_them[0].store.audit(agent, 100)
    assert [event["action"] for event in events] == ["set_weight", "start"]


async def test_replicas_with_different_configurations_do_not_fight(redis_url: str, agent: str) -> None:
    """One has taken the new canary, the other's file is old: that one serves stable only, and nobody turns back."""
    async with replicas(redis_url, 2) as (new, old):
        await old.configure(agent_named(agent, "v2"))
        await new.configure(agent_named(agent, "v3"))
        for _ in range(5):
            await asyncio.gather(old.controller.poll(), new.controller.poll())
        (theirs, ours) = (each.table.entry(agent) for each in (old, new))
        assert theirs and not theirs.on_trial and ours and ours.on_trial
        assert len(await new.store.audit(agent, 100)) == 2


async def test_an_edit_reaches_the_record_at_once(redis_url: str, agent: str) -> None:
    """A running replica does not wait for its next poll to follow a new configuration."""
    async with replicas(redis_url, 1, NO_POLL) as (replica,):
        await replica.configure(agent_named(agent))
        running = asyncio.create_task(replica.controller.run())
        await asyncio.sleep(0.1)
        replica.install(agent_named(agent, weight=2500))
        await within(SOON, lambda: replica.state(agent).weight == 2500)
        running.cancel()


async def test_without_announcements_the_poll_turns_the_table(redis_url: str, agent: str) -> None:
    """Pub/sub is cut: every replica turns at its next poll. `bench.propagation` measures how soon that is."""
    async with replicas(redis_url, 2) as (one, other):
        other.store.script("turns", stall)
        await one.configure(agent_named(agent))
        await other.configure(agent_named(agent))
        running = asyncio.create_task(other.controller.run())
        await asyncio.sleep(0.1)
        for unit in range(3):
            one.fail(agent, str(unit))
        await one.controller.finish()
        await within(SOON, lambda: other.state(agent).phase == "rolled_back")
        running.cancel()


async def test_an_announcement_turns_every_table(redis_url: str, agent: str) -> None:
    """No replica waits for its next poll, which is ten minutes away."""
    async with replicas(redis_url, 4, NO_POLL) as (one, *others):
        await asyncio.gather(*(each.configure(agent_named(agent)) for each in (one, *others)))
        running = [asyncio.create_task(each.controller.run()) for each in others]
        await asyncio.sleep(0.3)
        for unit in range(3):
            one.fail(agent, str(unit))
        await one.controller.finish()
        await within(SOON, lambda: {each.state(agent).phase for each in others} == {"rolled_back"})
        for each in running:
            each.cancel()


async def outage(replica: Replica) -> None:
    """The store is away for one poll."""
    with replica.store.faulty("epochs"):
        await replica.controller.poll()
    assert not replica.controller.store_ok


async def test_of_two_histories_of_one_epoch_the_rollback_holds(redis_url: str, agent: str) -> None:
    """A failover lost the rollback, and a replica that had not seen it restored the trial under the same epoch."""
    async with replicas(redis_url, 2) as (saw, missed):
        await asyncio.gather(*(each.configure(agent_named(agent)) for each in (saw, missed)))
        rolled_back = replace(
            saw.state(agent), epoch=2, phase="rolled_back", weight=0, action="roll_back",
            rolled_back={agent_named(agent).versions["v2"].digest: "it failed"},
        )  # fmt: skip
        saw.table.turn(agent, rolled_back)
        await missed.configure(agent_named(agent, weight=1000))
        assert missed.state(agent).epoch == saw.state(agent).epoch == 2
        await outage(saw)
        await saw.controller.poll()
        await missed.controller.poll()
        assert [each.state(agent).phase for each in (saw, missed)] == ["rolled_back", "rolled_back"]
        assert missed.state(agent).epoch == 3 and missed.state(agent).action == "restore"


async def test_after_an_outage_records_are_read_whole(redis_url: str, agent: str) -> None:
    """Another history under the same epoch is noticed, although every epoch is as it was."""
    async with replicas(redis_url, 1) as (replica,):
        await replica.configure(agent_named(agent))
        replica.table.turn(agent, replace(replica.state(agent), weight=9999))
        await replica.controller.poll()
        assert replica.state(agent).weight == 9999, "an epoch that stands is not read again"
        await outage(replica)
        await replica.controller.poll()
        assert replica.state(agent).weight == 500 and replica.controller.store_ok
