"""Conversations that went to people and the replies to them, on one server and on a cluster."""

from time import time
from typing import Any

from gateway.store import RedisStore
from gateway.store.bounds import Bounds
from gateway.store.seam import HumanReply
from tests.gateway.store.conftest import NewStore


def event(call_id: str) -> dict[str, str]:
    return {"call_id": call_id, "at": "1.500", "messages": "[]"}


def reply(call_id: str, message: str = "Hello from a person \ud83d") -> HumanReply:
    return HumanReply(call_id, "conversation", message, "kim", 1_800_000_000.25)


async def test_found_by_its_call(store: RedisStore, agent: str) -> None:
    """Whichever agent handed it over; what nobody handed over is not there."""
    await store.escalate(agent, event("c-1"))
    found = await store.escalation(["nobody", agent], "c-1")
    assert found is not None and found.event.items() >= event("c-1").items() and found.reply is None
    assert await store.escalation(["nobody", agent], "c-2") is None
    assert await store.escalation(["nobody"], "c-1") is None


async def test_the_latest(store: RedisStore, agent: str) -> None:
    """Newest first, with what was replied and when a turn saw it."""
    for number in range(3):
        await store.escalate(agent, event(f"c-{number}"))
    assert await store.reply(agent, reply("c-1"))
    await store.mark_reply_delivered(agent, "c-1", 7.0)
    await store.mark_reply_delivered(agent, "c-1", 8.0)
    page = await store.escalations([agent, "nobody"], 2)
    assert [(handed.event["call_id"], handed.reply, handed.delivered_at) for _, handed in page] == [
        ("c-2", None, None), ("c-1", reply("c-1"), 7.0)
    ]  # fmt: skip
    assert all("messages" not in handed.event for _, handed in page)


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


async def test_a_repeated_handover_is_one(new_store: NewStore, agent: str) -> None:
    """The answer to the first was lost, or another replica sends it: nobody reads the conversation twice."""
    one, other = new_store(), new_store()
    assert await one.escalate(agent, event("c-1")) == await other.escalate(agent, event("c-1") | {"messages": "[1]"})
    assert len(await one.escalations([agent], 10)) == 1


async def kept(store: RedisStore, agent: str) -> int:
    """How many bytes the store holds of an agent's conversations, as the server counts them."""
    client: Any = store._client
    keys = [f"serinus:{{{agent}}}:{name}" for name in ("escalations", "handed")]
    return sum([await client.memory_usage(key, samples=0) or 0 for key in keys])


async def test_what_is_kept_is_bounded(store: RedisStore, agent: str) -> None:
    """In bytes, however many come: the oldest go, and nothing is left of them."""
    for number in range(200):
        await store.escalate(agent, event(f"c-{number}") | {"messages": "x" * 10_000}, 300_000)
    page = await store.escalations([agent], 100)
    names = [handed.event["call_id"] for _, handed in page]
    assert names == [f"c-{number}" for number in range(199, 199 - len(names), -1)] and 25 <= len(names) <= 30
    assert await kept(store, agent) < 600_000
    assert await store.escalation([agent], "c-0") is None and await store.escalation([agent], "c-199") is not None


async def test_their_number_is_bounded(new_store: NewStore, agent: str) -> None:
    """Small ones, too; one alone is kept however large it is."""
    store = new_store(bounds=Bounds(escalations=5))
    for number in range(9):
        await store.escalate(agent, event(f"c-{number}"))
    assert len(await store.escalations([agent], 100)) == 5
    await store.escalate(agent, event("c-large"), 1)
    [(_, handed)] = await store.escalations([agent], 100)
    assert handed.event["call_id"] == "c-large"


async def test_they_go_after_a_month(new_store: NewStore, store: RedisStore, agent: str) -> None:
    """The next one sees to those that are late; without a next one the server lets go of all."""
    client: Any = store._client
    await new_store(bounds=Bounds(escalation_seconds=-1)).escalate(agent, event("c-0"))
    assert await store.escalations([agent], 1) == []
    await store.escalate(agent, event("c-1"))
    for name in ("escalations", "handed", "escalation_bytes"):
        assert 0 < await client.ttl(f"serinus:{{{agent}}}:{name}") <= Bounds().escalation_seconds


async def test_pages(store: RedisStore, agent: str) -> None:
    """Of several agents, newest first: each conversation is on one page, also where two came at the same moment."""
    agents = [f"{agent}-{letter}" for letter in "abc"]
    for number in range(20):
        for name in agents:
            await store.escalate(name, event(f"{name}-{number}"))
    seen: list[str] = []
    page = await store.escalations(agents, 7)
    while page:
        seen += [handed.event["call_id"] for _, handed in page]
        page = await store.escalations(agents, 7, page[-1][0])
    assert len(seen) == len(set(seen)) == 60
    assert [name for name in seen if name.startswith(agents[1])] == [f"{agents[1]}-{n}" for n in range(19, -1, -1)]
