"""The writer of records: what has ended reaches the store in batches, and a store that is away costs calls nothing."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from gateway import logs
from gateway.store import RedisStore, connect
from gateway.store.trace_seam import CallEntry, StreamCursor
from gateway.traces.codec import decode, encode, kept, summary_in
from gateway.traces.finished import FinishedCalls
from gateway.traces.record import CallRecord
from gateway.traces.writer import TraceWriter
from tests.gateway.traces.calls import attempt, call, recorded
from tests.support.faulty_store import FaultyStore, deny
from tests.support.trials import outcome


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[FaultyStore]:
    made = FaultyStore(connect(redis_url), "replica")
    yield made
    await made.aclose()


def a_record() -> CallRecord:
    record = recorded(outcome("canary", attempt(failure="status"), attempt("q/n")), call(named="chat \ud83d"))
    return replace(record, joins=("j",), trace_keys=("l",))


async def latest(store: RedisStore, agent: str) -> list[CallEntry]:
    (page,) = await store.latest_calls([StreamCursor(agent, 0)], 99)
    return page


class Stage:
    """A writer over a store, and the log of both."""

    def __init__(self, store: RedisStore, most: int = 100) -> None:
        self.out = io.BytesIO()
        self.finished = FinishedCalls(lambda: 0.0, lambda: 1e9, most)
        self.writer = TraceWriter(store, self.finished, logs.to(self.out), pause=0.01)

    def end(self, agent: str, count: int) -> None:
        for number in range(count):
            closed = outcome("stable", attempt())
            closed.agent = agent
            self.finished.note(closed, call(named="chat", nonce=number.to_bytes(8, "big")), ())

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.out.getvalue().splitlines()]


def test_a_record_is_read_back_as_it_was() -> None:
    """With its attempts, tools and keys."""
    record = a_record()
    assert decode(encode(record)) == record


def test_a_newer_release_may_have_more() -> None:
    """Members that this one does not know are left out, and ones that an older one did not know have their default."""
    record = a_record()
    values = json.loads(encode(record))
    assert decode(json.dumps([*values, "new"])) == record
    assert decode(json.dumps(values[:-1])) == replace(record, finish="")


def test_what_calls_are_found_by() -> None:
    """Times in milliseconds, costs in nano-USD."""
    summary = summary_in(kept(a_record()).summary)
    assert (summary.version, summary.unanswered, summary.cost_nano_usd) == ("v2", False, 14)
    assert kept(a_record()).is_notable and not kept(recorded(outcome("stable", attempt()), call())).is_notable


async def test_what_has_ended_is_kept(store: FaultyStore, agent: str) -> None:
    """Each listener gets it, too, in the same batch."""
    stage, heard = Stage(store), list[int]()
    stage.writer.listeners.append(lambda records: heard.append(len(records)))
    stage.end(agent, 3)
    await stage.writer.write(99)
    assert len(await latest(store, agent)) == 3 and heard == [3]


async def test_a_store_that_is_away(store: FaultyStore, agent: str) -> None:
    """Its batch waits and is written once; what ends meanwhile waits in a bounded queue, and the rest is counted."""
    stage = Stage(store, most=4)
    store.script("keep_calls", deny)
    stage.end(agent, 2)
    await stage.writer.finish()
    stage.end(agent, 9)
    await stage.writer.write(99)
    assert stage.events() == ["calls_not_recorded"] and stage.finished.dropped == 5
    assert len(await latest(store, agent)) == 4
