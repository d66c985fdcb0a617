"""The store that fails by script fails as a real one does, and is a real one otherwise."""

import asyncio

import pytest

from gateway.errors import StoreAway
from tests.support.decisions import beginning
from tests.support.faulty_store import FaultyStore, answer, deny, late, lose_reply, stall


async def test_each_call_takes_the_next_fault(store: FaultyStore, agent: str) -> None:
    """Of its own method, and of its own agent; then all is well again."""
    store.script("read", deny, answer((None, 7.0)), agent=agent)
    assert (await store.read(f"{agent}-other"))[1] > 7.0
    with pytest.raises(StoreAway):
        await store.read(agent)
    assert await store.read(agent) == (None, 7.0)
    assert (await store.read(agent))[1] > 7.0 and store.calls["read"] == 4


async def test_a_lost_reply_was_applied(store: FaultyStore, agent: str) -> None:
    """A denied call was not."""
    store.script("commit", deny, lose_reply)
    for epoch in (0, 1):
        with pytest.raises(StoreAway):
            await store.commit(agent, beginning(), "digest")
        assert await store.epochs([agent]) == {agent: epoch}


async def test_a_block_ends_its_faults(store: FaultyStore, agent: str) -> None:
    """A store that stalls does so until whoever waits gives up."""
    with store.faulty("read", "epochs", fault=stall):
        for operation in (store.read(agent), store.epochs([agent])):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(operation, 0.01)
    assert await store.epochs([agent]) == {agent: 0}


async def test_a_late_answer_is_the_right_one(store: FaultyStore, agent: str) -> None:
    """It only comes after others that were asked for later."""
    store.script("epochs", late(0.05))
    slow, quick = asyncio.create_task(store.epochs([agent])), asyncio.create_task(store.read(agent))
    done, _ = await asyncio.wait({slow, quick}, return_when=asyncio.FIRST_COMPLETED)
    assert done == {quick} and await slow == {agent: 0}


async def test_a_deaf_store_announces_nothing(store: FaultyStore) -> None:
    """Its turns are scripted like its calls."""
    store.script("turns", stall, deny)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(store.turns()), 0.01)
    with pytest.raises(StoreAway):
        await anext(store.turns())
