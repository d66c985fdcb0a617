"""What the store keeps for feedback, on one server and on a cluster."""

from typing import Any

from gateway.store import RedisStore
from gateway.store.bounds import Bounds
from tests.gateway.store.conftest import NewStore


async def test_every_replica_knows_the_last_call(new_store: NewStore, agent: str) -> None:
    """Of a caller's conversation; another caller's of the same name is another one."""
    one, other = new_store(), new_store()
    await one.remember(agent, {("web", "k"): "c-1", ("app", "k"): "c-2"})
    await other.remember(agent, {("web", "k"): "c-3"})
    assert [await one.last_call(agent, caller, "k") for caller in ("web", "app", "nobody")] == ["c-3", "c-2", None]
    assert await one.last_call(agent, "web", "made-up") is None


async def test_the_latest_are_kept(new_store: NewStore, agent: str) -> None:
    """However many a caller names: at least so many, at most twice as many, and no other caller's go for them."""
    store = new_store(bounds=Bounds(conversations=10))
    await store.remember(agent, {("app", "k"): "c"})
    for portion in range(0, 100, 7):
        await store.remember(agent, {("web", f"k{number}"): f"c{number}" for number in range(portion, portion + 7)})
    known = [await store.last_call(agent, "web", f"k{number}") for number in range(105)]
    assert all(known[-10:]) and 10 <= len([each for each in known if each]) <= 20
    assert await store.last_call(agent, "app", "k") == "c"


async def test_they_lapse(store: RedisStore, agent: str) -> None:
    """After a week without a word from that caller."""
    client: Any = store._client
    await store.remember(agent, {("web", "k"): "c-1"})
    [name] = [key async for key in client.scan_iter(f"serinus:{{{agent}}}:answered:*")]
    assert 0 < await client.ttl(name) <= 7 * 24 * 3600
