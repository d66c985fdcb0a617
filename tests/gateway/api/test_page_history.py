"""The history behind a page's curves: read rarely, kept while the store is away, as short as there is any."""

from datetime import datetime, timedelta

from gateway.api.page_history import SPANS, PageHistory
from gateway.history.view import HistoryView
from gateway.store.seam import Batch
from tests.support.faulty_store import FaultyStore, stall


async def count_a_call(store: FaultyStore, agent: str) -> None:
    batch = Batch(rollout=0, evidence=0)
    batch.cells.tally("v1", "", 0.0).requests += 1
    await store.flush(agent, 1, batch)


def began(past: HistoryView | None) -> datetime:
    assert past is not None
    return datetime.fromisoformat(past.since)


async def test_many_looks_are_one_reading(store: FaultyStore, agent: str) -> None:
    """Curves move every few seconds, however many look at them."""
    now = [1e9]
    history = PageHistory(store, lambda: now[0])
    for _ in range(9):
        assert await history.of(agent, "1h") is not None
    assert store.calls["history"] == 1
    now[0] += 6
    await history.of(agent, "1h")
    assert store.calls["history"] == 2
    await history.of(agent, "30d")
    now[0] += 50
    await history.of(agent, "30d")
    assert store.calls["history"] == 3, "what changes in hours is read once a minute"


async def test_the_last_history_outlives_the_store(store: FaultyStore, agent: str) -> None:
    """One that hangs is not waited for; without any history there is none."""
    now = [1e9]
    history = PageHistory(store, lambda: now[0])
    known = await history.of(agent, "1h")
    now[0] += 60
    with store.faulty("history"):
        assert await history.of(agent, "1h") is known and await history.of(agent, "6h") is None
    with store.faulty("history", fault=stall):
        assert await history.of(agent, "1h") is known


async def test_a_young_history_is_shown_by_the_quarter_of_an_hour(store: FaultyStore, agent: str) -> None:
    """A trial of two minutes would be a sliver of an hour."""
    assert (await PageHistory(store).usual(agent))[0] == "1h"
    await count_a_call(store, agent)
    span, past = await PageHistory(store).usual(agent)
    assert span == "15m" and past is not None and past.step_seconds == 10 and past.series
    later = (datetime.now() + timedelta(minutes=30)).timestamp()
    assert (await PageHistory(store, lambda: later).usual(agent))[0] == "1h"


async def test_every_span_is_read(store: FaultyStore, agent: str) -> None:
    """From a quarter of an hour to 30 days, in at most two hundred steps."""
    for name, (seconds, step) in SPANS.items():
        past = await PageHistory(store).of(agent, name)
        assert past is not None and past.step_seconds == step and seconds / step <= 200
        assert timedelta(seconds=seconds) <= datetime.fromisoformat(past.until) - began(past)
