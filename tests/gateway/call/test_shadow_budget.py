"""The purse of shadows: a limit over all replicas, day by day, that errs towards spending less."""

from collections.abc import Callable
from typing import Any

from gateway.call.shadow_budget import Purse
from gateway.store import RedisStore
from tests.support.faulty_store import FaultyStore

NOON = 1_800_000_000.0  # 15 January 2027, 08:00 UTC
DAY = 24 * 3600.0


def purse(store: RedisStore, unix: Callable[[], float] = lambda: NOON) -> Purse:
    return Purse(store, unix)


async def test_a_limit_is_for_all_replicas(store: RedisStore, agent: str) -> None:
    """What one has paid the other cannot spend, once it has asked."""
    one, other = purse(store), purse(store)
    await one.pay(agent, 600)
    assert await other.has_left(agent, 1000)
    await one.pay(agent, 400)
    assert not await other.has_left(agent, 1000) and other.is_empty(agent, 1000)
    assert await other.has_left(agent, 1001) and await other.has_left(f"{agent}-b", 1)


async def test_without_a_limit_nobody_is_asked(agent: str) -> None:
    """There is no store in this test."""
    empty: Any = None
    assert await purse(empty).has_left(agent, None) and not purse(empty).is_empty(agent, None)


async def test_a_new_day_has_new_money(store: RedisStore, agent: str) -> None:
    """It begins at midnight UTC."""
    now = [NOON]
    mine = purse(store, lambda: now[0])
    await mine.pay(agent, 1000)
    assert mine.is_empty(agent, 1000)
    now[0] += DAY
    assert not mine.is_empty(agent, 1000) and await mine.has_left(agent, 1000)


async def test_without_the_store_a_replica_goes_by_itself(store: FaultyStore, agent: str) -> None:
    """By the last sum it knows and by what it has spent since, all of which is brought in when the store is back."""
    mine = purse(store)
    await mine.pay(agent, 600)
    with store.faulty("spend"):
        await mine.pay(agent, 300)
        assert await mine.has_left(agent, 1000)
        await mine.pay(agent, 100)
        assert not await mine.has_left(agent, 1000)
    assert not await mine.has_left(agent, 1000)
    assert await store.spend(agent, "2027-01-15", 0) == 1000


async def test_a_sum_that_was_lost_is_remembered(store: RedisStore, agent: str) -> None:
    """The store was emptied: what this replica knows to be spent stays spent today."""
    mine = purse(store)
    await mine.pay(agent, 1000)
    await store._client.delete(f"serinus:{{{agent}}}:spent:2027-01-15")
    assert not await mine.has_left(agent, 1000)


async def test_no_cost_is_beyond_counting(store: RedisStore, agent: str) -> None:
    """A provider claims tokens for a billion dollars, often: the sum stays one."""
    mine = purse(store)
    for _ in range(20):
        await mine.pay(agent, 10**18)
    assert not await mine.has_left(agent, 10**15)
