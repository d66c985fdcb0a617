"""Conversations that went to people and the replies to them, on one server and on a cluster."""

from time import time

from gateway.store import RedisStore
from gateway.store.seam import Handed, Reply
from tests.gateway.store.conftest import NewStore


def event(call_id: str) -> dict[str, str]:
    return {"call_id": call_id, "at": "1.500", "messages": "[]"}


def reply(call_id: str, message: str = "Hello from a person \ud83d") -> Reply:
    return Reply(call_id, "conversation", message, "kim", 1_800_000_000.25)


async def test_found_by_its_call(store: RedisStore, agent: str) -> None:
    """Whichever agent handed it over; what nobody handed over is not there."""
    await store.escalate(agent, event("c-1"))
    assert await store.escalation(["nobody", agent], "c-1") == Handed(event("c-1"), None, None)
    assert await store.escalation(["nobody", agent], "c-2") is None
    assert await store.escalation(["nobody"], "c-1") is None


async def test_the_latest(store: RedisStore, agent: str) -> None:
    """Newest first, with what was replied and when a turn saw it."""
    for number in range(3):
        await store.escalate(agent, event(f"c-{number}"))
    assert await store.reply(agent, reply("c-1"))
    await store.delivered_reply(agent, "c-1", 7.0)
    await store.delivered_reply(agent, "c-1", 8.0)
    assert await store.escalations([agent, "nobody"], 2) == [
        Handed(event("c-2"), None, None),
        Handed(event("c-1"), reply("c-1"), 7.0),
    ]


async def test_the_first_reply_counts(new_store: NewStore, agent: str) -> None:
    """Of two people who answer the same conversation one is told that the other was faster."""
    one, other = new_store(), new_store()
    assert await one.reply(agent, reply("c-1")) and not await other.reply(agent, reply("c-1", "too late"))
    [(_, kept)] = (await other.replies({agent: ""}, time()))[agent]
    assert kept == reply("c-1")


async def test_replies_are_followed(store: RedisStore, agent: str) -> None:
    """In order, from where one was; what is too old for later turns is not begun with."""
    for number in range(3):
        await store.reply(agent, reply(f"c-{number}"))
    first, *rest = (await store.replies({agent: "", "nobody": ""}, time()))[agent]
    assert [each.call_id for _, each in (first, *rest)] == ["c-0", "c-1", "c-2"]
    assert await store.replies({agent: first[0]}, time()) == {agent: rest}
    assert await store.replies({agent: rest[-1][0]}, time()) == {}
    assert await store.replies({agent: ""}, time() + 8 * 86_400) == {}
