"""What replicas tell one another: everybody hears the others, in order, and nothing for ever."""

import asyncio
from time import time
from typing import Any

from gateway.store import RedisStore, connect
from gateway.store.beginnings import STREAM
from tests.gateway.store.conftest import NewStore


async def place_now(store: RedisStore) -> str:
    """The place behind all that was told before; the stream is every test's."""
    await store.tell(["mark"], 0.0)
    entries: Any = await store._client.xrevrange(STREAM, count=1)
    return str(entries[0][0])


async def test_what_one_tells_the_others_hear(new_store: NewStore) -> None:
    """Not oneself; from the place on that one has read before."""
    one, other = new_store(), new_store()
    place = await place_now(one)
    await one.tell(["a", "b"], 0.0)
    await one.tell(["c"], 0.0)
    read, messages = await other.read_messages(place, wait=False)
    assert messages == [(one._replica, each) for each in "abc"]
    assert await other.read_messages(read, wait=False) == (read, [])
    assert (await one.read_messages(place, wait=False))[1] == []


async def test_a_message_is_waited_for(new_store: NewStore) -> None:
    """It is there as soon as it is told."""
    one, other = new_store(), new_store()
    place = await place_now(one)
    waiting = asyncio.create_task(other.read_messages(place, wait=True))
    await asyncio.sleep(0.05)
    await one.tell(["a"], 0.0)
    assert (await waiting)[1] == [(one._replica, "a")]


async def test_an_idle_store_is_no_fault(url: str) -> None:
    """With the usual time limits of a socket, a read that waits in vain ends empty, on the same connection."""
    store = RedisStore(connect(url), "idle")
    place = await place_now(store)
    assert [await store.read_messages(place, wait=True) for _ in range(2)] == [(place, [])] * 2
    await store.aclose()


async def test_what_is_old_goes(new_store: NewStore) -> None:
    """And that it has gone can be seen."""
    store = new_store()
    place = await place_now(store)
    assert await store.has_message(place)
    for _ in range(300):  # the server cuts whole nodes of the stream
        await store.tell(["x"], time() + 60)
    assert not await store.has_message(place)
