"""Deciders in processes of their own, from the same epoch: one wins, one event is written, and the others are told."""

import asyncio
import json
from pathlib import Path

from gateway.store import RedisStore, verify
from tests.support.crew import crew
from tests.support.deciders import DECIDERS, REPLICAS, deciders

RACES = 500  # `python -m bench.races` has ten thousand
RACES_BY_HTTP = 40


async def test_of_32_deciders_in_three_processes_one_wins(redis_url: str, store: RedisStore, agent: str) -> None:
    """Race after race: one winner, of which everybody is told, and its event in a whole chain."""
    async with deciders(redis_url, agent) as running:
        races = [await running.race() for _ in range(RACES)]
    winners = [race.winner for race in races]
    events = [event async for event in store.audit_all(agent)]
    assert [winner["epoch"] for winner in winners] == list(range(2, RACES + 2))
    assert [event["epoch_after"] for event in events] == list(range(1, RACES + 2))
    assert [event["reason"] for event in events[1:]] == [winner["reason"] for winner in winners]
    assert verify(events) == []
    assert len({race.process for race in races}) == REPLICAS, "some process was never in time, so it was no race"


async def test_of_32_people_at_three_replicas_one_is_obeyed(
    tmp_path: Path, redis_url: str, store: RedisStore, agent: str
) -> None:
    """All saw the same epoch: one gets 200, the others 412 with the state that the one has made; one event each."""
    async with crew(tmp_path, redis_url, [agent], REPLICAS, DECIDERS) as here:
        for race in range(RACES_BY_HTTP):
            verb, phase, epoch = ("resume", "running", race + 1) if race % 2 else ("pause", "paused", race + 1)
            replies = await asyncio.gather(*(person.command(agent, verb, epoch) for person in here.people))
            assert sorted(reply.status for reply in replies) == [200] + [412] * (DECIDERS - 1)
            states = [json.loads(reply.body) for reply in replies]
            now = [
                state if reply.status == 200 else state["state"] for reply, state in zip(replies, states, strict=True)
            ]
            assert {(state["epoch"], state["phase"]) for state in now} == {(epoch + 1, phase)}
    events = [event async for event in store.audit_all(agent)]
    assert [event["epoch_after"] for event in events] == list(range(1, RACES_BY_HTTP + 2))
    assert verify(events) == []
