"""Conversations that went to people and the replies to them, on one server and on a cluster."""

from time import time
from typing import Any

from gateway.store import RedisStore
from gateway.store.bounds import Bounds
from gateway.store.handover_seam import HumanReply
from tests.gateway.store.conftest import NewStore

KEYS = ("escalations", "handed", "escalation_bytes", "open_handovers", "handover_turns")


def event(call_id: str) -> dict[str, str]:
    return {"call_id": call_id, "at": "1.500", "messages": "[]"}


def turn(call_id: str, conversation: str = "conversation", count: int = 1, size: int = 2) -> dict[str, str]:
    """A call of a conversation that its client names."""
    more = {"conversation": conversation, "message_count": str(count), "messages": f'"{"x" * (size - 2)}"'}
    return event(call_id) | more


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
    keys = [f"serinus:{{{agent}}}:{name}" for name in KEYS]
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
    await store.escalate(agent, turn("c-2"))
    for name in KEYS:
        assert 0 < await client.ttl(f"serinus:{{{agent}}}:{name}") <= Bounds().escalation_seconds


async def test_a_conversation_is_handed_over_once(new_store: NewStore, agent: str) -> None:
    """Over replicas: a later call joins, with its number and what the one before it had; repetitions change nothing."""
    one, other = new_store(), new_store()
    first = await one.escalate(agent, turn("c-1", count=1))
    second = await other.escalate(agent, turn("c-2", count=3))
    third = await one.escalate(agent, turn("c-3", count=5))
    assert [place.sequence for place in (first, second, third)] == [1, 2, 3]
    assert {(place.entry, place.escalation_id) for place in (first, second, third)} == {(first.entry, "c-1")}
    assert [place.messages_before for place in (first, second, third)] == [None, 1, 3]
    assert await one.escalate(agent, turn("c-2")) == second._replace(messages_before=None)
    assert await one.escalate(agent, turn("c-1")) == first
    [(_, handed)] = await one.escalations([agent], 10)
    assert (handed.event["call_id"], handed.calls) == ("c-1", 3)


async def test_another_conversation_is_another_handover(store: RedisStore, agent: str) -> None:
    """So is one without a name, and the same one once it has its reply or a week has passed without."""
    calls = [turn("c-1"), turn("c-2", "another"), turn("c-3", ""), turn("c-4", "")]
    assert [(await store.escalate(agent, each)).sequence for each in calls] == [1, 1, 1, 1]
    assert await store.reply(agent, reply("c-1"))
    assert (await store.escalate(agent, turn("c-5"))).sequence == 1
    assert not await store.reply(agent, reply("c-1", "late"))
    assert (await store.escalate(agent, turn("c-6"))).escalation_id == "c-5"


async def test_a_handover_of_last_week_is_not_joined(store: RedisStore, agent: str) -> None:
    """Nobody has answered it for so long that the next call is a handover of its own."""
    client: Any = store._client
    await store.escalate(agent, turn("c-1"))
    handed, old = f"serinus:{{{agent}}}:handed", f"{int((time() - 8 * 86_400) * 1000)}-0"
    [(name, kept)] = (await client.hgetall(handed)).items()
    await client.hset(handed, name, f"{old} {kept.partition(' ')[2]}")
    assert (await store.escalate(agent, turn("c-2"))).escalation_id == "c-2"


async def test_joined_calls_are_bounded(store: RedisStore, agent: str) -> None:
    """A client that goes on and on: the latest messages alone are kept, and few of its calls are found by their ids."""
    for number in range(100):
        place = await store.escalate(agent, turn(f"c-{number}", size=10_000))
    assert place.sequence == 0 and await kept(store, agent) < 40_000
    assert await store.escalation([agent], "c-19") is not None and await store.escalation([agent], "c-20") is None


async def test_what_joined_goes_with_its_handover(store: RedisStore, agent: str) -> None:
    """Of many conversations with further calls nothing is left when the oldest go, and their bytes are counted."""
    for number in range(60):
        for call in range(4):
            made = turn(f"c-{number}-{call}", f"conversation-{number}", size=2_000 * (call + 1))
            await store.escalate(agent, made, 100_000)
    client: Any = store._client
    left = len(await store.escalations([agent], 100))
    assert 8 <= left <= 12 and await kept(store, agent) < 200_000
    assert await client.hlen(f"serinus:{{{agent}}}:handed") == 4 * left
    assert {await client.hlen(f"serinus:{{{agent}}}:{name}") for name in KEYS[3:]} == {left}


async def test_handovers_of_many_calls(store: RedisStore, agent: str) -> None:
    """In one go, with what became of each; calls that opened none are left out."""
    for call_id, conversation in (("c-1", "one"), ("c-2", "one"), ("c-3", "another")):
        await store.escalate(agent, turn(call_id, conversation))
    assert await store.reply(agent, reply("c-3"))
    found = await store.handovers(agent, ["c-3", "c-2", "c-1", "c-4"])
    assert {call_id: handed.event["call_id"] for call_id, handed in found.items()} == {
        "c-1": "c-1", "c-2": "c-1", "c-3": "c-3"
    }  # fmt: skip
    assert found["c-3"].reply == reply("c-3") and found["c-2"].calls == 2 and "messages" not in found["c-1"].event
    assert await store.handovers(agent, []) == await store.handovers(agent, ["c-4"]) == {}


async def test_when_the_webhook_took_it(store: RedisStore, agent: str) -> None:
    """The first time counts."""
    await store.escalate(agent, turn("c-1"))
    for at in (7.0, 8.0):
        await store.mark_escalation_accepted(agent, "c-1", at)
    found = await store.escalation([agent], "c-1")
    assert found is not None and found.accepted_at == 7.0


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
