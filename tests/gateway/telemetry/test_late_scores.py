"""Scores whose calls another replica may have served."""

import uuid
from collections.abc import AsyncIterator

import pytest

from gateway.store import connect
from gateway.store.trace_seam import CallBounds
from gateway.telemetry.late_scores import MOST_WAITING, LateScores, ScoredCall
from gateway.traces.codec import kept
from gateway.traces.record import CallRecord, key_of_nonce
from tests.support.faulty_store import FaultyStore, deny

NONCE = bytes(range(8))


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[FaultyStore]:
    made = FaultyStore(connect(redis_url), uuid.uuid4().hex)
    yield made
    await made.aclose()


def record(agent: str) -> CallRecord:
    """A finished call within a client's trace."""
    return CallRecord(
        key=key_of_nonce(NONCE), id="id", caller="key", agent=agent, version="v1", arm=None, reason="split",
        format="openai", stream=False, began_at=1.0, seconds=1.0, ttft_seconds=None, end="answered", status=200,
        conversation="0" * 16, trace_parent="00-trace",
    )  # fmt: skip


async def taken(scores: LateScores, store: FaultyStore, until: float) -> list[CallRecord | None]:
    return [found async for _, found in scores.take(store, until)]


async def test_found_once(store: FaultyStore, agent: str) -> None:
    """After a wait, in which the other replica writes its record; a call that is not kept has none."""
    await store.keep_calls(agent, [kept(record(agent))], CallBounds())
    scores = LateScores()
    scores.note(ScoredCall(agent, "id", NONCE, 10.0, 1.0))
    scores.note(ScoredCall(agent, "other", bytes(8), 11.0, 1.0))
    assert await taken(scores, store, 9.0) == []
    assert await taken(scores, store, 10.5) == [record(agent)]
    assert await taken(scores, store, 99.0) == [None] and not scores


async def test_store_away(store: FaultyStore, agent: str) -> None:
    """They wait, and very many fill no memory."""
    scores = LateScores()
    for number in range(3 * MOST_WAITING):
        scores.note(ScoredCall(agent, str(number), NONCE, 10.0, 1.0))
    with store.faulty("find_calls", fault=deny):
        assert await taken(scores, store, 99.0) == []
    assert len(scores) == MOST_WAITING
