"""The search over many agents: newest first, and with few questions to the store."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from gateway import logs
from gateway.store import connect
from gateway.store.trace_seam import CallBounds
from gateway.traces.codec import kept
from gateway.traces.finished import FinishedCalls
from gateway.traces.reader import TraceReader
from gateway.traces.search import CallFilter, find_calls, find_conversations
from gateway.traces.writer import TraceWriter
from tests.support.faulty_store import FaultyStore
from tests.support.traces import made

AGENTS, ROUNDS = 40, 8


@pytest_asyncio.fixture
async def reader(redis_url: str, agent: str) -> AsyncIterator[TraceReader]:
    """Forty agents, which were called in turn, each in a conversation of two calls."""
    store = FaultyStore(connect(redis_url), "replica")
    for number in range(ROUNDS):
        for name in names(agent):
            call = replace(made(f"{number:016x}", number), agent=name, conversation=f"{name}-{number // 2}")
            await store.keep_calls(name, [kept(call)], CallBounds())
        await asyncio.sleep(0.002)
    finished = FinishedCalls(lambda: 0.0, lambda: 0.0)
    yield TraceReader(store, TraceWriter(store, finished, logs.to(io.BytesIO())))
    await store.aclose()


def names(agent: str) -> list[str]:
    return [f"{agent}-{number}" for number in range(AGENTS)]


def questions(reader: TraceReader) -> int:
    assert isinstance(reader.store, FaultyStore)
    return reader.store.calls["latest_calls"]


async def test_newest_first_over_many_agents(reader: TraceReader, agent: str) -> None:
    """A page of the latest calls is one question for all of them, and a few where a stream runs out."""
    page = await find_calls(reader, names(agent), CallFilter(), 100, "")
    keys = [call.key for (call,) in page.found]
    assert keys == sorted(keys, reverse=True) and len(keys) == 100 and questions(reader) <= 1 + AGENTS


async def test_a_search_without_a_match_ends_soon(reader: TraceReader, agent: str) -> None:
    """Each stream is read to its end once, however the calls of the agents lie between one another."""
    for find in (find_calls, find_conversations):
        page = await find(reader, names(agent), CallFilter(unanswered=True), 50, "")
        assert (page.found, page.next) == ((), None)
    assert questions(reader) <= 2 * (1 + AGENTS)


async def test_what_had_no_answer_is_found_behind_many_good_calls(reader: TraceReader, agent: str) -> None:
    """Those who look for failures do not look through the calls that went well."""
    (name, *_), bounds = names(agent), CallBounds()
    failed = replace(made("f" * 16, 1), agent=name, conversation="failed", end="failed")
    await reader.store.keep_calls(name, [kept(failed)], bounds)
    for first in range(0, 4_500, 500):
        good = (replace(made(f"{number + 100:016x}", 2), agent=name) for number in range(first, first + 500))
        await reader.store.keep_calls(name, list(map(kept, good)), bounds)
    for find in (find_calls, find_conversations):
        page = await find(reader, [name], CallFilter(unanswered=True), 50, "")
        assert [[call.key for call in calls] for calls in page.found] == [[failed.key]]


async def test_a_conversation_stands_once(reader: TraceReader, agent: str) -> None:
    """By its latest call, over all pages."""
    found, before = list[str](), ""
    while True:
        page = await find_conversations(reader, names(agent), CallFilter(), 30, before)
        found += [calls[0].conversation for calls in page.found]
        if page.next is None:
            break
        before = page.next
    assert len(found) == len(set(found)) == AGENTS * ROUNDS // 2
