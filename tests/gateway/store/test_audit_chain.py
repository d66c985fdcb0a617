"""The chain of audit events: whatever is taken out, moved or changed is found and named, from exported lines alone."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.store import EmbeddedRedis, RedisStore, connect, verify
from gateway.store.audit_chain import FIRST, event_hash, missing
from gateway.store.bounds import Bounds
from policies.rollout.rollout import Decision, restore
from policies.rollout.state import State
from tests.gateway.store.conftest import NewStore
from tests.support.decisions import beginning, following

Event = dict[str, Any]


async def _history(store: RedisStore, agent: str, length: int) -> State:
    """The record after so many commits."""
    state = (await store.commit(agent, beginning(), "config")).state
    for number in range(1, length):
        assert state
        decision = following(state, reason=f"number {number} π \udc80 \x00 </script>")
        evidence = {"e_value": 0.1 + 0.2, "slots": {7: 2**70}, "nested": [1e-320, float("nan"), -0.0]}
        state = (await store.commit(agent, Decision(decision.expected_epoch, decision.state, evidence), "config")).state
    assert state
    return state


async def _export(store: RedisStore, agent: str) -> list[str]:
    """The trail as the lines of a file."""
    return [json.dumps(event) async for event in store.audit_all(agent)]


@pytest_asyncio.fixture
async def events(redis_url: str, agent: str) -> list[Event]:
    """A whole chain of six events, read back from its exported lines."""
    store = RedisStore(connect(redis_url), "replica")
    await _history(store, agent, 6)
    lines = await _export(store, agent)
    await store.aclose()
    return [json.loads(line) for line in lines]


def test_an_exported_chain_is_whole(events: list[Event]) -> None:
    """Each event follows the one before it; numbers and text of every kind survive the export."""
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event["prev"] for event in events] == [FIRST, *(event["hash"] for event in events[:-1])]
    assert verify(events) == []


def test_the_order_of_an_events_fields_does_not_matter(events: list[Event]) -> None:
    """Another tool may have sorted them."""
    assert verify(json.loads(json.dumps(event, sort_keys=True)) for event in events) == []


async def test_every_page_of_a_long_trail_comes(new_store: NewStore, agent: str) -> None:
    """Oldest first, each once, also where the last page is full or empty."""
    store = new_store(bounds=Bounds(events_at_once=3))
    assert [event async for event in store.audit_all(agent)] == []
    await _history(store, agent, 6)
    assert [event["seq"] async for event in store.audit_all(agent)] == [1, 2, 3, 4, 5, 6]
    assert [event["seq"] for event in await store.audit(agent, 2)] == [6, 5]


@pytest.mark.parametrize(
    "tamper, problems",
    [
        (lambda e: e.pop(0), ["event 2 (epoch 2): missing: event 1 before it"]),
        (lambda e: e.pop(3), ["event 5 (epoch 5): missing: event 4 before it"]),
        (lambda e: e.__delitem__(slice(1, 4)), ["event 5 (epoch 5): missing: events 2 to 4 before it"]),
        (lambda e: e.insert(3, e[2]), ["event 3 (epoch 3): reordered or repeated: it stands after event 3"]),
        (lambda e: e.insert(1, e[0]), ["event 1 (epoch 1): reordered or repeated: it stands after event 1"]),
        (lambda e: e[2].update(reason="nothing"), ["event 3 (epoch 3): altered: its content does not match its hash"]),
        (lambda e: e[2].update(more=1), ["event 3 (epoch 3): altered: its content does not match its hash"]),
        (lambda e: e[5].update(at=1.0), ["event 6 (epoch 6): altered: its content does not match its hash"]),
        (lambda e: e[1].pop("seq"), [
            "event at place 2: it is no event of a chain; it lacks seq",
            "event 3 (epoch 3): missing: event 2 before it",
        ]),
    ],
)  # fmt: skip
def test_a_tampered_chain_is_found(
    events: list[Event], tamper: Callable[[list[Event]], Any], problems: list[str]
) -> None:
    """Taken out, doubled or changed, in the content, the link or the time: said by number and epoch."""
    tamper(events)
    assert verify(events) == problems


def test_events_in_another_order_are_found(events: list[Event]) -> None:
    """Two that changed places."""
    events[2], events[3] = events[3], events[2]
    assert verify(events) == [
        "event 4 (epoch 4): missing: event 3 before it",
        "event 3 (epoch 3): reordered or repeated: it stands after event 4",
        "event 5 (epoch 5): missing: event 4 before it",
    ]


def test_an_event_with_a_hash_made_to_fit_is_found(events: list[Event]) -> None:
    """Who alters an event and its hash has to alter all that follow, and the notices that went out."""
    events[2]["actor"] = "somebody else"
    events[2]["hash"] = event_hash(events[2])
    (problem,) = verify(events)
    assert problem.startswith("event 4 (epoch 4): replaced: it follows an event ")


def test_a_decision_from_another_record_is_found(events: list[Event]) -> None:
    """The newest event was taken out before the next was written: the chain is whole, the epochs are not."""
    last = events[5] | {"epoch_before": 6, "epoch_after": 7}
    events[5] = last | {"hash": event_hash(last)}
    assert verify(events) == ["event 6 (epoch 7): it was decided from epoch 6, but event 5 left epoch 5"]


def test_no_events_are_in_order() -> None:
    """An agent without a record has no trail yet."""
    assert verify([]) == []


async def test_what_an_installation_has_seen_must_still_be_there(store: RedisStore, agent: str) -> None:
    """An event that is gone and one that was replaced are told apart, each by its epoch and hash."""
    await _history(store, agent, 3)
    events = [event async for event in store.audit_all(agent)]
    seen = [(event["epoch_after"], event["hash"]) for event in events]
    assert missing(events, seen) == []
    gone, replaced = missing(events, [(2, "f" * 40), *seen, (9, "e" * 40)])[::-1]
    assert replaced.startswith(f"epoch 2 ({'f' * 40}): it differs from the event that this installation has seen")
    assert gone.startswith(f"epoch 9 ({'e' * 40}): this installation has seen it, but the store has lost it")


async def test_after_a_lost_store_the_new_chain_says_so(server: EmbeddedRedis, own_store: RedisStore) -> None:
    """Alone, or after the lines that were exported before: nothing is missing silently."""
    seen = await _history(own_store, "a", 3)
    before = [json.loads(line) for line in await _export(own_store, "a")]
    await own_store._client.execute_command("FLUSHALL")
    await own_store.commit("a", restore(seen, None, now=0.0), "config")
    after = [json.loads(line) for line in await _export(own_store, "a")]
    lost = "the store had lost the record, and the events before it"
    assert verify(after) == [f"event 1 (epoch 4): a new chain begins here: {lost}"]
    assert verify([*before, *after]) == [f"event 1 (epoch 4): a new chain begins here after event 3 of another: {lost}"]


async def test_a_trail_that_was_deleted_is_missing(redis_url: str, agent: str) -> None:
    """The record goes on, and the first event of the new chain tells that it is not the first."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    state = await _history(store, agent, 3)
    before = [event async for event in store.audit_all(agent)]
    await client.delete(f"serinus:{{{agent}}}:audit")
    await store.commit(agent, following(state), "config")
    after = [event async for event in store.audit_all(agent)]
    assert verify(after) == ["event 1 (epoch 4): missing: the events up to epoch 3"]
    assert verify([*before, *after]) == ["event 1 (epoch 4): a new chain begins here after event 3 of another"]
    await store.aclose()


async def test_events_from_before_the_chain_are_told_apart(redis_url: str, agent: str) -> None:
    """A trail that an older gateway wrote goes on with a chain of its own."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    await client.xadd(f"serinus:{{{agent}}}:audit", {"event": '{"at":1.5,"epoch_before":0,"epoch_after":1}'})
    await store.commit(agent, beginning(), "config")
    assert verify([event async for event in store.audit_all(agent)]) == [
        "event at place 1: it is no event of a chain; it lacks seq, prev, hash"
    ]
    await store.aclose()


async def test_replicas_write_one_chain(new_store: NewStore, agent: str) -> None:
    """Whoever commits, the next event follows the last one."""
    state = await _history(new_store(), agent, 2)
    for _ in range(3):
        committed = await new_store().commit(agent, following(state), "config")
        assert committed.state
        state = committed.state
    assert verify([event async for event in new_store().audit_all(agent)]) == []
