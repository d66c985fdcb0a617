"""Contents of calls in the store: kept once, bounded, and gone when their time is over or somebody wants it so."""

from gateway.store import RedisStore
from gateway.store.content_seam import ContentBounds, KeptContent
from tests.gateway.store.conftest import NewStore

ROOMY = ContentBounds(1 << 20, 3_600)


def content(key: str, thread: str = "t", size: int = 10) -> KeptContent:
    return KeptContent(key, thread, f"{key:.<{size}}")


async def keys_of(store: RedisStore, agent: str, *keys: str) -> list[str]:
    return list(await store.find_contents(agent, keys))


async def test_found_by_the_keys_of_calls(store: RedisStore, agent: str) -> None:
    """What nobody kept is not there."""
    await store.keep_contents(agent, [content(str(number)) for number in range(25)], ROOMY)
    assert (await store.find_contents(agent, ["3", "nobody"])) == {"3": "3........."}
    assert len(await keys_of(store, agent, *map(str, range(25)))) == 25


async def test_a_content_is_kept_once(new_store: NewStore, agent: str) -> None:
    """A batch whose reply was lost is written again, and takes no more room."""
    for _ in range(9):
        await new_store().keep_contents(agent, [content("1", size=4_000)], ContentBounds(10_000, 60))
    await new_store().keep_contents(agent, [content("2", size=4_000)], ContentBounds(10_000, 60))
    assert await keys_of(new_store(), agent, "1", "2") == ["1", "2"]


async def test_the_oldest_go_first(store: RedisStore, agent: str) -> None:
    """All of an agent's together take no more than their bound, and one content of room for the next."""
    bounds = ContentBounds(50_000, 3_600)
    for number in range(40):
        await store.keep_contents(agent, [content(str(number), size=5_000)], bounds)
    kept = await keys_of(store, agent, *map(str, range(40)))
    assert kept == [str(number) for number in range(40 - len(kept), 40)] and 8 <= len(kept) <= 10
    names = [name async for name in store._client.scan_iter(f"serinus:{{{agent}}}:trace:content:*")]
    assert len(names) == len(kept)


async def test_a_lower_bound_takes_effect(store: RedisStore, agent: str) -> None:
    """Bit by bit, so that no script takes long."""
    await store.keep_contents(agent, [content(str(number), size=5_000) for number in range(30)], ROOMY)
    small = ContentBounds(6_000, 3_600)
    for number in range(30, 40):
        await store.keep_contents(agent, [content(str(number), size=5_000)], small)
    assert await keys_of(store, agent, *map(str, range(40))) == ["39"]


async def test_each_ends_by_itself(store: RedisStore, agent: str) -> None:
    """Whether or not the gateway runs by then."""
    await store.keep_contents(agent, [content("1")], ContentBounds(1 << 20, 60))
    async for name in store._client.scan_iter(f"serinus:{{{agent}}}:trace:content*"):
        assert 0 < await store._client.ttl(name) <= 60


async def test_forgotten_by_calls_and_by_conversation(store: RedisStore, agent: str) -> None:
    """Also calls that nobody finds by their conversation any more; those of others stay."""
    await store.keep_contents(agent, [content(f"a{number}", "a", 50) for number in range(1_200)], ROOMY)
    await store.keep_contents(agent, [content("b1", "b"), content("b2", "b")], ROOMY)
    assert await store.forget_contents(agent, ["b1"], ["a"]) == 1_201
    assert await keys_of(store, agent, "a0", "a1199", "b1", "b2") == ["b2"]
    assert await store.forget_contents(agent, [], []) == 0
