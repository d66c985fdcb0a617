"""Who judges: on a quiet look one replica, whichever is alive; on a failure every one; and always one decision."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from statistics import mean

import pytest
import pytest_asyncio

from gateway.rollout.controller import JITTER, pause
from gateway.timings import USUAL, Timings
from tests.support.faulty_store import answer, deny
from tests.support.replicas import Replica, replicas
from tests.support.trials import STEPS, age, agent_named, bring_in, failing, healthy
from tests.support.waiting import SOON, within


@pytest_asyncio.fixture
async def pair(redis_url: str, agent: str) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two replicas of one trial; the first has looked at it, so the lease is its own."""
    async with replicas(redis_url, 2) as (one, other):
        for each in (one, other):
            await each.configure(agent_named(agent, steps=STEPS))
        yield one, other


async def poll_both(pair: tuple[Replica, Replica], times: int = 1) -> None:
    for _ in range(times):
        await asyncio.gather(*(each.controller.poll() for each in pair))


async def actions(replica: Replica, agent: str) -> list[str]:
    """What was decided, oldest first."""
    return [event["action"] for event in reversed(await replica.store.audit(agent, 100))]


async def test_of_two_replicas_one_judges(pair: tuple[Replica, Replica], agent: str) -> None:
    """The other one only asks for the epochs, and follows what was decided."""
    before = [each.store.calls["snapshot"] for each in pair]
    await bring_in(pair[0], agent, healthy(pair[0].state(agent)))
    await poll_both(pair, times=3)
    looks = [each.store.calls["snapshot"] - already for each, already in zip(pair, before, strict=True)]
    assert looks[0] >= 3 and looks[1] == 0
    await poll_both(pair)
    assert [each.state(agent).action for each in pair] == ["freeze", "freeze"]


async def test_a_dead_judge_is_replaced(redis_url: str, agent: str) -> None:
    """The holder polls no more: once its lease has lapsed, the other one goes on with the rollout."""
    async with replicas(redis_url, 2, Timings(lease=0.5)) as (dead, other):
        for each in (dead, other):
            await each.configure(agent_named(agent, steps=STEPS))
        await dead.store.lease(agent, 1.0)
        await bring_in(other, agent, healthy(other.state(agent)))
        await other.controller.poll()
        assert other.state(agent).action == "start", "the lease is still the other's"
        async with asyncio.timeout(SOON):
            while other.state(agent).action != "freeze":
                await other.controller.poll()
                await asyncio.sleep(0.05)


async def test_a_lease_that_lies_costs_no_second_decision(pair: tuple[Replica, Replica], agent: str) -> None:
    """Both hold it, as after a pause of the holder: both judge at the same moment, and the epoch lets one win."""
    for each in pair:
        each.store.script("lease", *[answer(True)] * 100)
    await bring_in(pair[0], agent, healthy(pair[0].state(agent)))
    await poll_both(pair, times=2)
    assert await actions(pair[0], agent) == ["start", "freeze"]
    await age(pair[0], agent, 61.0)
    await poll_both(pair, times=3)
    assert (await actions(pair[0], agent)).count("advance") == 1
    assert pair[0].state(agent) == pair[1].state(agent) and pair[1].state(agent).step == 2


async def test_without_leases_everybody_judges(pair: tuple[Replica, Replica], agent: str) -> None:
    """The store refuses them: then it is as it was without."""
    for each in pair:
        each.store.calls.clear()
        each.store.script("lease", deny)
    await poll_both(pair)
    assert [each.store.calls["snapshot"] for each in pair] == [1, 1] and all(each.controller.store_ok for each in pair)


async def test_a_failure_is_judged_by_who_sees_it(pair: tuple[Replica, Replica], agent: str) -> None:
    """At once, and whoever holds the lease."""
    _, other = pair
    for unit in "abc":
        other.fail(agent, unit)
    await other.controller.finish()
    assert other.state(agent).phase == "rolled_back"


async def test_what_others_have_brought_in_is_judged_by_the_holder(pair: tuple[Replica, Replica], agent: str) -> None:
    """Their replica died between the flush and the decision: the next quiet look makes it."""
    one, _ = pair
    await bring_in(one, agent, failing(one.state(agent), "abcd"))
    await one.controller.poll()
    assert one.state(agent).phase == "rolled_back"


async def test_a_replica_with_old_files_keeps_the_lease_from_nobody(redis_url: str, agent: str) -> None:
    """It could not go on with a rollout that its files do not know."""
    async with replicas(redis_url, 3) as (old, new, third):
        await old.configure(agent_named(agent))
        assert not await third.store.lease(agent, 0.001), "its own trial was its to look at"
        await new.configure(agent_named(agent, "v3"))
        await new.store._client.delete(f"serinus:{{{agent}}}:lease")
        for _ in range(2):
            await old.controller.poll()
        assert old.state(agent).canary == new.state(agent).canary, "it knows the record"
        assert await third.store.lease(agent, 60.0)


def test_polls_are_spread() -> None:
    """By a fifth to either side, so that replicas which were started together do not ask together."""
    rng = Random(7)
    pauses = [pause(USUAL.poll, rng.random()) for _ in range(1000)]
    assert min(pauses) >= USUAL.poll * (1 - JITTER) and max(pauses) <= USUAL.poll * (1 + JITTER) < 1.2
    assert mean(pauses) == pytest.approx(USUAL.poll, rel=0.02) and len(set(pauses)) > 900


async def test_the_poll_comes_again_and_again(pair: tuple[Replica, Replica], agent: str) -> None:
    """Within a second and a bit, also without any announcement of the store."""
    one, _ = pair
    working = asyncio.create_task(one.controller.run())
    await bring_in(one, agent, healthy(one.state(agent)))
    await within(3, lambda: one.state(agent).action == "freeze")
    working.cancel()
