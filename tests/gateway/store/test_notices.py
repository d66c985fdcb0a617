"""Notices: each change of a record is delivered at least once, by whichever replica is there to do it."""

import asyncio

import pytest
from redis.asyncio import Redis

from gateway.errors import StoreRefused
from gateway.store import RedisStore, connect
from gateway.store.redis import AGENTS_AT_ONCE
from tests.gateway.store.conftest import NewStore
from tests.support.decisions import beginning, following

LONG = 60_000  # milliseconds


async def test_a_commit_leaves_its_notice(store: RedisStore, agent: str) -> None:
    """The audit event, under a key that says whose change it was."""
    await store.commit(agent, beginning(), "config")
    (notice,) = await store.claim_notices([agent], LONG, 10)
    assert (notice.agent, notice.key) == (agent, f"{agent}:1")
    assert [notice.event] == await store.audit(agent, 1)


async def test_a_delivered_notice_is_done(store: RedisStore, agent: str) -> None:
    """Nobody gets it again, however long one waits; delivering it twice does no harm."""
    await store.commit(agent, beginning(), "config")
    (notice,) = await store.claim_notices([agent], LONG, 10)
    await store.mark_delivered(notice)
    await store.mark_delivered(notice)
    await asyncio.sleep(0.02)
    assert await store.claim_notices([agent], 1, 10) == []


async def test_a_lost_commit_leaves_no_notice(store: RedisStore, agent: str) -> None:
    """What changed nothing is nobody's news."""
    for _ in range(2):
        await store.commit(agent, beginning(), "config")
    assert len(await store.claim_notices([agent], LONG, 10)) == 1


async def test_another_replica_takes_over_from_a_dead_one(new_store: NewStore, agent: str) -> None:
    """While the first may still be at it nobody else has it; after that it is the other's, under the same key."""
    dead, other = new_store(), new_store()
    await dead.commit(agent, beginning(), "config")
    (taken,) = await dead.claim_notices([agent], LONG, 10)
    assert await other.claim_notices([agent], LONG, 10) == []
    await asyncio.sleep(0.1)
    (again,) = await other.claim_notices([agent], 100, 10)
    assert again == taken
    await other.mark_delivered(again)
    await asyncio.sleep(0.1)
    assert await dead.claim_notices([agent], 50, 10) == []


async def test_the_winner_that_died_before_asking_is_replaced_too(new_store: NewStore, agent: str) -> None:
    """Between its commit and its announcement: the notice was in the store with the commit."""
    winner = new_store()
    await winner.commit(agent, beginning(), "config")
    await winner.aclose()
    assert [notice.key for notice in await new_store().claim_notices([agent], LONG, 10)] == [f"{agent}:1"]


async def test_one_replica_at_a_time_gets_a_notice(new_store: NewStore, agent: str) -> None:
    """Of many that ask at once each new notice goes to one, and each that was left behind as well."""
    stores = [new_store() for _ in range(4)]
    state = (await stores[0].commit(agent, beginning(), "config")).state
    for _ in range(7):
        assert state
        state = (await stores[0].commit(agent, following(state), "config")).state
    for idle in (LONG, 200):
        await asyncio.sleep(0.2)
        found = await asyncio.gather(*(store.claim_notices([agent], idle, 3) for store in stores))
        assert sorted(notice.key for notices in found for notice in notices) == [f"{agent}:{n}" for n in range(1, 9)]


async def test_notices_come_in_portions_and_in_order(store: RedisStore, agent: str) -> None:
    """Oldest first, no more at a time than was asked for."""
    state = (await store.commit(agent, beginning(), "config")).state
    assert state
    await store.commit(agent, following(state), "config")
    keys = [(await store.claim_notices([agent], LONG, 1))[0].key for _ in range(2)]
    assert keys == [f"{agent}:1", f"{agent}:2"]


async def test_notices_of_many_agents_come_at_once(store: RedisStore, agent: str) -> None:
    """Also where each of them lives on another node; one that has no record yet has none."""
    names = [f"{agent}-{n}" for n in range(AGENTS_AT_ONCE + 5)]
    await asyncio.gather(*(store.commit(name, beginning(), "config") for name in names))
    notices = await store.claim_notices([agent, *names], LONG, 10)
    assert [notice.agent for notice in notices] == names
    assert await store.claim_notices([], LONG, 10) == []


async def test_what_an_older_gateway_wrote_is_no_news(redis_url: str, agent: str) -> None:
    """After an upgrade only new changes are delivered."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    await client.xadd(f"serinus:{{{agent}}}:audit", {"event": '{"epoch_after":1}'})
    await store.commit(agent, beginning(), "config")
    assert [notice.event["seq"] for notice in await store.claim_notices([agent], LONG, 10)] == [1]
    await store.aclose()


async def test_a_deleted_event_is_passed_over(redis_url: str, agent: str) -> None:
    """Somebody trimmed the stream while a notice was on its way."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    await store.commit(agent, beginning(), "config")
    (notice,) = await store.claim_notices([agent], LONG, 10)
    await client.xdel(f"serinus:{{{agent}}}:audit", notice.id)
    await asyncio.sleep(0.02)
    assert await store.claim_notices([agent], 1, 10) == []
    await store.aclose()


async def test_a_stream_of_another_kind_is_no_missing_one(redis_url: str, agent: str) -> None:
    """Only a missing group means that there is nothing to say; every other error is a refusal."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    await client.set(f"serinus:{{{agent}}}:audit", "text")
    with pytest.raises(StoreRefused, match="WRONGTYPE"):
        await store.claim_notices([agent], LONG, 10)
    await store.aclose()
