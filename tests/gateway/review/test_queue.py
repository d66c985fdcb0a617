"""The way of calls to reviewers: a sample that every replica draws alike, bounded, and over a store that is away."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from time import time
from typing import Any

import pytest
import pytest_asyncio

from gateway import logs
from gateway.review.queue import ReviewQueue, is_sampled
from gateway.rollout.table import Table
from gateway.store import connect
from gateway.traces.record import CallRecord
from routing.agents import Agent, AgentVersion, ContentRules, ReviewRules, Target
from tests.support.faulty_store import FaultyStore, deny, lose_reply
from tests.support.traces import made

ALL = ReviewRules(10_000)


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[FaultyStore]:
    opened = FaultyStore(connect(redis_url), "replica")
    yield opened
    await opened.aclose()


class Stage:
    """A queue over a store, and its log."""

    def __init__(self, store: FaultyStore, agent: str, rules: ReviewRules | None = ALL) -> None:
        self.out, self.agent, self.store, self.table = io.BytesIO(), agent, store, Table()
        version = AgentVersion("v1", Target("p", "m"))
        self.table.install({agent: Agent(agent, {"v1": version}, "v1", content=ContentRules(), review=rules)})
        self.queue = ReviewQueue(store, self.table, logs.to(self.out), 0.0)

    def record(self, key: str, **more: Any) -> CallRecord:
        """A call whose texts are recorded now."""
        record = replace(made(key, 0.0), agent=self.agent, began_at=time(), **more)
        self.queue.note_recorded([record])
        return record

    async def waiting(self) -> list[str]:
        return [each.key for each in await self.store.waiting_reviews(self.agent)]


@pytest.mark.parametrize(("sample", "least", "most"), [(0, 0, 0), (100, 60, 140), (5_000, 4_800, 5_200)])
def test_a_sample_is_drawn_by_the_call(sample: int, least: int, most: int) -> None:
    """Evenly, although keys of one replica begin alike and go up by one; 100 % is all."""
    keys = [(0x1234567800000000 + number).to_bytes(8, "big").hex() for number in range(10_000)]
    assert least <= sum(is_sampled(key, ReviewRules(sample)) for key in keys) <= most
    assert all(is_sampled(key, ALL) for key in keys)


async def test_a_store_that_is_away(store: FaultyStore, agent: str) -> None:
    """What was chosen waits, is written once, and a lost reply makes nothing of it twice."""
    stage = Stage(store, agent)
    stage.record("1")
    store.script("add_reviews", deny, lose_reply)
    await stage.queue.finish()
    await stage.queue.finish()
    assert [json.loads(line)["event"] for line in stage.out.getvalue().splitlines()] == ["reviews_not_queued"] * 2
    await stage.queue.write()
    assert await stage.waiting() == ["1"]


async def test_two_that_write_at_once(store: FaultyStore, agent: str) -> None:
    """The background and a reader: each call is written once, and what came meanwhile is not lost."""
    stage = Stage(store, agent)
    for number in range(150):
        stage.record(str(number))
    writing = asyncio.gather(*(stage.queue.write() for _ in range(3)))
    await asyncio.sleep(0)
    stage.record("late")
    await writing
    await stage.queue.write()
    assert len(await stage.waiting()) == 151 and store.calls["add_reviews"] == 2


async def test_what_there_is_no_room_for(store: FaultyStore, agent: str) -> None:
    """Is dropped, counted, and said once."""
    stage = Stage(store, agent)
    for number in range(2_010):
        stage.record(str(number))
    assert stage.queue.dropped == 10
    for _ in range(2):
        stage.queue.tell_of_drops()
    assert [json.loads(line)["event"] for line in stage.out.getvalue().splitlines()] == ["reviews_not_kept"]
    await stage.queue.write()
    assert len(await stage.waiting()) == 300


async def test_escalated_calls_are_not_drawn(store: FaultyStore, agent: str) -> None:
    """They wait in any case, where the rules say so; other calls follow the sample."""
    stage = Stage(store, agent, ReviewRules(0, ("escalated",)))
    stage.record("1", end="escalated")
    stage.record("2")
    await stage.queue.write()
    assert await stage.waiting() == ["1"]


async def test_an_agent_that_is_reviewed_no_more(store: FaultyStore, agent: str) -> None:
    """What was chosen before is let go."""
    stage, none = Stage(store, agent), Stage(store, agent, None)
    none.record("1")
    stage.record("2")
    stage.table.install({})
    await stage.queue.write()
    await none.queue.write()
    assert await stage.waiting() == []


async def test_only_what_is_recorded_can_be_reviewed(store: FaultyStore, agent: str) -> None:
    """A call that a judge or a client names, but of which no texts are kept, does not wait."""
    stage = Stage(store, agent, ReviewRules(0, ("disagree",)))
    stage.queue.note_score(agent, "A" * 52)
    stage.queue.note_score(agent, "no id")
    await stage.queue.write()
    assert await stage.waiting() == []
