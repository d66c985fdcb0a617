"""Announcements: every listener hears of a change soon, also after the server was away."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing

import pytest_asyncio

from gateway.errors import StoreAway
from gateway.store import EmbeddedRedis, RedisStore, connect
from gateway.store import announcements as turns_module
from gateway.timings import Timings
from tests.gateway.store.conftest import NewStore
from tests.support.decisions import beginning
from tests.support.waiting import SOON

HELLO = "hello-"
NewImpatientStore = Callable[[float], RedisStore]


async def _listen(store: RedisStore) -> AsyncGenerator[str, None]:
    """An iterator over the store's turns that does listen: it has heard of a change of a made-up agent."""
    turns = store.turns()
    heard = asyncio.ensure_future(anext(turns))
    while not heard.done():
        await store.commit(HELLO + uuid.uuid4().hex, beginning(), "")
        await asyncio.wait([heard], timeout=0.05)
    return turns


async def _next(turns: AsyncGenerator[str, None]) -> str:
    """The next agent that is not made up."""
    async with asyncio.timeout(SOON):
        async for agent in turns:
            if not agent.startswith(HELLO):
                return agent
    raise AssertionError("the turns ended")


async def test_every_listener_hears_of_a_change(new_store: NewStore, agent: str) -> None:
    """A commit over one replica reaches the others without any question of theirs, in a cluster too."""
    writer, reader = new_store(), new_store()
    async with aclosing(await _listen(reader)) as turns:
        await writer.commit(agent, beginning(), "")
        while await _next(turns) != agent:
            pass


async def test_a_lost_commit_is_not_announced(own_store: RedisStore) -> None:
    """What changed nothing tells nobody."""
    async with aclosing(await _listen(own_store)) as turns:
        for agent in ("a", "a", "b"):
            await own_store.commit(agent, beginning(), "")
        assert [await _next(turns), await _next(turns)] == ["a", "b"]


async def test_listening_survives_a_restart(server: EmbeddedRedis, own_store: RedisStore) -> None:
    """The server is killed and comes back; the same iterator goes on by itself."""
    async with aclosing(await _listen(own_store)) as turns:
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        await _back(own_store)
        await _hears_again(own_store, turns)


@pytest_asyncio.fixture
async def impatient_store(server: EmbeddedRedis) -> AsyncIterator[NewImpatientStore]:
    """Makes a store over the test's own server that asks after so many seconds of silence."""
    async with AsyncExitStack() as stack:

        def make(quiet: float) -> RedisStore:
            store = RedisStore(connect(f"unix://{server.socket}"), replica="own", timings=Timings(quiet=quiet))
            stack.push_async_callback(store.aclose)
            return store

        yield make


async def test_a_silent_connection_is_given_up(server: EmbeddedRedis, impatient_store: NewImpatientStore) -> None:
    """A frozen server closes nothing; a ping that stays unanswered does, and listening goes on when it thaws."""
    own_store = impatient_store(0.1)
    async with aclosing(await _listen(own_store)) as turns:
        assert server.pid
        os.kill(server.pid, signal.SIGSTOP)
        waiting = asyncio.ensure_future(anext(turns))
        await asyncio.wait([waiting], timeout=0.6)
        os.kill(server.pid, signal.SIGCONT)
        waiting.cancel()
        await _back(own_store)
        assert await _subscribers(own_store) == 0


async def test_quiet_hours_do_not_end_listening(impatient_store: NewImpatientStore) -> None:
    """While nothing is announced the server is pinged, and the next announcement comes over the same connection."""
    own_store = impatient_store(0.02)
    async with aclosing(await _listen(own_store)) as turns:
        waiting = asyncio.ensure_future(_next(turns))
        await asyncio.sleep(0.3)
        await own_store.commit("b", beginning(), "")
        assert await waiting == "b"


async def test_a_cancelled_listener_leaves_no_subscription(own_store: RedisStore) -> None:
    """Ending the task that listens ends what it asked for."""

    async def listen() -> None:
        async with aclosing(await _listen(own_store)) as turns:
            await _next(turns)

    task = asyncio.create_task(listen())
    await asyncio.wait([task], timeout=0.2)
    assert await _subscribers(own_store) == 1
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.05)
    assert await _subscribers(own_store) == 0


async def _hears_again(store: RedisStore, turns: AsyncGenerator[str, None]) -> None:
    """Commit until the iterator hears of it."""
    waiting = asyncio.ensure_future(_next(turns))
    while not waiting.done():
        await store.commit(uuid.uuid4().hex, beginning(), "")
        await asyncio.wait([waiting], timeout=0.1)
    await waiting


async def _subscribers(store: RedisStore) -> int:
    ((_, count),) = await store._client.execute_command("PUBSUB NUMSUB", turns_module.CHANNEL)
    return int(count)


async def _back(store: RedisStore) -> None:
    while True:
        try:
            return await store.ping()
        except StoreAway:
            await asyncio.sleep(0.02)
