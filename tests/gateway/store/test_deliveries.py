"""Deliveries that wait in the store, on one server and on a cluster: who may make them, and how long they wait."""

import asyncio
from time import time
from typing import Any

from gateway.store import RedisStore
from tests.gateway.store.conftest import NewStore

KEYS = ("outbox", "outbox_claims", "outbox_bytes")


def event(call_id: str, **more: str) -> dict[str, str]:
    return {"call_id": call_id, "at": "1.500", "failure": "/ \\ud83d \x07", "messages": '["Grüezi"]', **more}


async def taken(store: RedisStore, *agents: str, seconds: float = 5.0) -> list[str]:
    return [each.event["call_id"] for each in await store.take_deliveries(agents, 100, seconds)]


async def test_what_nobody_holds_is_taken_once(new_store: NewStore, agent: str) -> None:
    """As it was given, with its place; whoever took it holds it."""
    one, other = new_store(), new_store()
    place = await one.escalate(agent, event("c-1"), held_seconds=600.0)
    assert await taken(other, agent) == []
    await one.hold_deliveries(agent, ["c-1"], 0.0)
    [delivery] = await other.take_deliveries(["nobody", agent], 100, 600.0)
    assert (delivery.agent, delivery.event, delivery.place) == (agent, event("c-1"), place)
    assert await taken(one, agent) == []


async def test_whoever_delivers_holds_it(store: RedisStore, agent: str) -> None:
    """Again and again; what is settled is not held, and nothing is left of it."""
    await store.escalate(agent, event("c-1"), held_seconds=0.001)
    await store.hold_deliveries(agent, ["c-1", "c-2"], 600.0)
    assert await taken(store, agent) == []
    await store.settle_delivery(agent, "c-1")
    await store.hold_deliveries(agent, ["c-1"], 0.0)
    client: Any = store._client
    assert await taken(store, agent) == []
    left = await client.get(f"serinus:{{{agent}}}:outbox_bytes"), await client.hlen(f"serinus:{{{agent}}}:outbox")
    assert left == ("0", 0)


async def test_where_nobody_is_to_be_told(store: RedisStore, agent: str) -> None:
    """Without a webhook no delivery waits, nor one of a call beyond those that are told of."""
    await store.escalate(agent, event("c-1"))
    for number in range(25):
        call = event(f"d-{number}", conversation="chat", message_count="1")
        await store.escalate(agent, call, held_seconds=0.001)
    await asyncio.sleep(0.01)
    assert await taken(store, agent) == [f"d-{number}" for number in range(20)]


async def test_the_outbox_is_bounded(store: RedisStore, agent: str) -> None:
    """In bytes: beyond them the conversation is kept, and its delivery is in its replica's memory alone."""
    for number in range(100):
        await store.escalate(agent, event(f"c-{number}", messages="x" * 10_000), 1_000_000, held_seconds=0.001)
    await asyncio.sleep(0.01)
    assert 20 <= len(await taken(store, agent)) <= 25
    assert len(await store.escalations([agent], 100)) > 80


async def test_a_delivery_of_yesterday_is_given_up(store: RedisStore, agent: str) -> None:
    """Nobody could take it for a day; the server itself lets go of what nobody looks at."""
    await store.escalate(agent, event("c-1"), held_seconds=0.001)
    client: Any = store._client
    claims = f"serinus:{{{agent}}}:outbox_claims"
    for name in KEYS:
        assert await client.ttl(f"serinus:{{{agent}}}:{name}") > 0
    for field in await client.hgetall(claims):
        await client.hset(claims, field, f"0 {(time() - 25 * 3600) * 1000:.0f}")
    assert await taken(store, agent) == []
    assert await client.hlen(claims) == 0
