"""Leases and a day's spending: one holder at a time, and one sum for all replicas."""

import asyncio

from gateway.store import RedisStore
from tests.gateway.store.conftest import NewStore
from tests.support.redis_servers import until


async def test_a_lease_has_one_holder(new_store: NewStore, agent: str) -> None:
    """Who comes first has it and keeps it by asking again; of many who ask at once one gets it."""
    replicas = [new_store() for _ in range(4)]
    held = await asyncio.gather(*(each.lease(agent, 60.0) for each in replicas))
    assert sorted(held) == [False, False, False, True]
    again = await asyncio.gather(*(each.lease(agent, 60.0) for each in replicas))
    assert again == held


async def test_a_lease_lapses(new_store: NewStore, agent: str) -> None:
    """Its time begins anew whenever the holder asks; when the holder asks no more, another one gets it."""
    holder, other = new_store(), new_store()
    assert await holder.lease(agent, 0.2)
    assert await holder.lease(agent, 0.4)
    await until(lambda: other.lease(agent, 60.0))
    assert not await holder.lease(agent, 60.0)


async def test_every_agent_has_a_lease_of_its_own(new_store: NewStore, agent: str) -> None:
    """Two replicas may share the work."""
    one, other = new_store(), new_store()
    assert await one.lease(agent, 60.0) and await other.lease(f"{agent}-b", 60.0)


async def test_all_replicas_spend_from_one_sum(new_store: NewStore, agent: str) -> None:
    """In whole nano-dollars, day by day and agent by agent; nothing added only asks."""
    one, other = new_store(), new_store()
    assert await one.spend(agent, "2026-01-31", 1_500) == 1_500
    assert await other.spend(agent, "2026-01-31", 1) == 1_501
    assert await one.spend(agent, "2026-01-31", 0) == 1_501
    assert await one.spend(agent, "2026-02-01", 7) == 7
    assert await one.spend(f"{agent}-b", "2026-01-31", 0) == 0


async def test_what_was_spent_is_forgotten_in_the_end(store: RedisStore, agent: str) -> None:
    """A key for every day and agent would stay for ever."""
    await store.spend(agent, "2026-01-31", 1)
    assert 0 < await store._client.ttl(f"serinus:{{{agent}}}:spent:2026-01-31") <= 2 * 24 * 3600
