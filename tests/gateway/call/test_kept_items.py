"""Memory for items of answers: bounded in bytes, shared with other replicas within a bound, refreshed by use."""

import asyncio
import io
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway import logs
from gateway.call.kept_items import SECONDS, KeptItems
from gateway.errors import NotFound
from tests.support.calling import eventually
from tests.support.faulty_store import FaultyStore


class Replica:
    """The items of one replica, with a clock that stands still."""

    def __init__(self, store: FaultyStore, most_bytes: int) -> None:
        self.now = 0.0
        self.out = io.BytesIO()
        self.items = KeptItems(store, logs.to(self.out), lambda: self.now, most_bytes, look=0.01)


@asynccontextmanager
async def sharing(store: FaultyStore, most_bytes: int = 10_000) -> AsyncIterator[Replica]:
    """A replica that shares in the background."""
    replica = Replica(store, most_bytes)
    task = asyncio.create_task(replica.items.share_for_ever())
    try:
        yield replica
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_memory_is_bounded_in_bytes(store: FaultyStore) -> None:
    """The oldest items go first, and one that is named again counts as new."""
    items = Replica(store, 3_000).items
    items.keep("app", {"a": "x" * 1_000, "b": "x" * 1_000})
    await items.find("app", ["a"])
    items.keep("app", {"c": "x" * 1_000})
    assert items.size == 2 * 1_384 and await items.find("app", ["a", "c"])
    with pytest.raises(NotFound, match="'b' not found"):
        await items.find("app", ["b"])


async def test_small_items_are_bounded_too(store: FaultyStore) -> None:
    """What an item takes beside its text counts: a million tiny ones would take many times their bytes."""
    items = Replica(store, 1_000_000).items
    tracemalloc.start()
    try:
        for number in range(10_000):
            items.keep("app", {str(number): '"x"'})
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert items.size <= 1_000_000 and held < 2_100_000  # those that wait for the store have a bound of their own


async def test_what_is_shared_is_bounded(store: FaultyStore, agent: str) -> None:
    """What goes beyond an hour's share stays here, and the log says so once."""
    async with sharing(store, most_bytes=1_500) as one:
        for name in "abc":
            one.items.keep(agent, {name: "x" * 1_000})
            await asyncio.sleep(0.01)
        other = Replica(store, 10_000).items
        assert await other.find(agent, ["a"])
        with pytest.raises(NotFound):
            await other.find(agent, ["b"])
    assert one.out.getvalue().count(b"items_not_shared") == 1


async def test_items_wait_for_a_store_that_is_away(store: FaultyStore, agent: str) -> None:
    """They are shared when it is back; meanwhile this replica finds its own."""
    other = Replica(store, 10_000).items
    async with sharing(store) as one:
        with store.faulty("keep_items"):
            one.items.keep(agent, {"a": "text"})
            await eventually(lambda: store.calls["keep_items"] > 0)
            assert await one.items.find(agent, ["a"]) == {"a": "text"}
            with pytest.raises(NotFound):
                await other.find(agent, ["a"])
        await asyncio.sleep(0.5)
    assert await other.find(agent, ["a"]) == {"a": "text"}


async def test_a_conversation_that_goes_on_keeps_its_items(store: FaultyStore, agent: str) -> None:
    """An item that is named late is kept for another hour, here and for others."""
    async with sharing(store) as one:
        one.items.keep(agent, {"a": "text"})
        await eventually(lambda: store.calls["keep_items"] == 1)
        one.now += SECONDS * 0.6
        await one.items.find(agent, ["a"])
        await eventually(lambda: store.calls["keep_items"] == 2)


async def test_an_item_is_forgotten_after_an_hour(store: FaultyStore) -> None:
    """An hour after it was last kept or named it is found no longer, although there is room for it."""
    here = Replica(store, 10_000)
    here.items.keep("app", {"old": "text", "named": "text"})
    here.now += 50 * 60
    assert await here.items.find("app", ["named"])
    here.now += 50 * 60
    assert await here.items.find("app", ["named"]) == {"named": "text"}
    with pytest.raises(NotFound, match="'old' not found"):
        await here.items.find("app", ["old"])


async def test_a_replica_without_calls_forgets_too(store: FaultyStore, agent: str) -> None:
    """No text of a model stays in its memory for longer than an hour, whether or not other items come."""
    async with sharing(store) as one:
        one.items.keep(agent, {"a": "text"})
        await asyncio.sleep(0.05)
        assert one.items.size
        one.now += SECONDS + 1
        await eventually(lambda: one.items.size == 0)


async def test_items_are_their_callers_alone(store: FaultyStore, agent: str) -> None:
    """Another caller does not find them, whatever its name is."""
    items = Replica(store, 10_000).items
    items.keep(agent, {"a": "text"})
    for caller in (f"{agent}x", "", "a"):
        with pytest.raises(NotFound):
            await items.find(caller, ["a"])


async def test_what_nobody_waits_for_is_looked_for_in_the_background(store: FaultyStore, agent: str) -> None:
    """Now and a moment later, for another replica may just be sharing it; a store that is away hurts nobody."""
    async with sharing(store) as one:
        other = Replica(store, 10_000).items
        other.ask_for(agent, "a")
        assert other.peek(agent, "a") is None
        one.items.keep(agent, {"a": "text"})
        await eventually(lambda: other.peek(agent, "a") == "text")
        assert other.peek("another", "a") is None and one.items.peek(agent, "a") == "text"
        with store.faulty("find_items"):
            other.ask_for(agent, "b")
            await asyncio.sleep(0.2)
        assert other.peek(agent, "b") is None


async def test_few_items_are_looked_for_at_a_time(store: FaultyStore, agent: str) -> None:
    """A flood of requests that continue what nobody knows asks the store for some of it alone."""
    items = Replica(store, 10_000).items
    before = len(asyncio.all_tasks())
    for number in range(1_000):
        items.ask_for(agent, str(number))
    assert len(asyncio.all_tasks()) - before == 100
    await eventually(lambda: len(asyncio.all_tasks()) == before)


async def test_a_stop_ends_what_is_looked_for(store: FaultyStore, agent: str) -> None:
    """Nothing asks a store that is closed next, and so opens a connection that nobody closes."""
    before = len(asyncio.all_tasks())
    async with sharing(store) as one:
        await asyncio.sleep(0)
        sharing_alone = len(asyncio.all_tasks())
        one.items.ask_for(agent, "a")
        assert len(asyncio.all_tasks()) == sharing_alone + 1
    assert len(asyncio.all_tasks()) == before
