"""Decisions: of all who decide from the same epoch one wins, and what it wrote can be read back."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest

from gateway.errors import StoreAway
from gateway.store import Committed, RedisStore, connect, verify
from gateway.store.audit_chain import event_hash
from gateway.store.redis import EPOCHS_AT_ONCE
from policies.rollout.rollout import Decision, restore
from policies.rollout.state import Phase, State, Step
from tests.gateway.store.conftest import NewStore
from tests.support.decisions import CANARY, beginning, following
from tests.support.redis_servers import LossyProxy

RACES = 1000
DECIDERS = 32


async def test_a_won_commit_is_the_record(store: RedisStore, agent: str) -> None:
    """The first decision finds no record and becomes it; its time is the store's."""
    decision = beginning()
    committed = await store.commit(agent, decision, "config")
    state, now = await store.read(agent)
    assert committed == Committed(won=True, state=state)
    assert state and state == replace(decision.state, changed_at=state.changed_at)
    assert now - 5 < state.changed_at <= now


async def test_a_lost_commit_returns_the_record_now(store: RedisStore, agent: str) -> None:
    """Who comes second changes nothing, and learns what was decided."""
    won = await store.commit(agent, beginning(), "config")
    assert await store.commit(agent, beginning(), "config") == Committed(won=False, state=won.state)
    assert len(await store.audit(agent, 10)) == 1


async def test_a_commit_over_a_missing_record_is_lost(store: RedisStore, agent: str) -> None:
    """A decision made from epoch 7 does not create what was lost meanwhile."""
    decision = Decision(7, replace(beginning().state, epoch=8), {})
    assert await store.commit(agent, decision, "config") == Committed(won=False, state=None)
    assert (await store.read(agent))[0] is None


@pytest.mark.parametrize("phase", [*get_args(Phase), None])
async def test_every_phase_survives_the_store(store: RedisStore, agent: str, phase: Phase | None) -> None:
    """A record comes back as it was, with text of every kind in it and with or without a canary."""
    reason = 'π \N{BIRD} <b> "quoted" \\ {} | : \r\n\x00'
    state = replace(
        beginning().state, phase=phase, reason=reason, actor="o'neil@example.org",
        canary=CANARY if phase else None, rolled_back={"digest-0": reason, "digest-9": ""}, weight=10_000,
    )  # fmt: skip
    await store.commit(agent, Decision(0, state, {}), "config")
    found, _ = await store.read(agent)
    assert found and found == replace(state, changed_at=found.changed_at)


async def test_a_record_with_steps_survives_the_store(store: RedisStore, agent: str) -> None:
    """All that a step has of its own comes back to the last digit, infinity too."""
    state = replace(
        beginning().state, began_at=1.7e9 + 1 / 3, segment=3, offset=2880, banked={"cost <= stable * 1.05": 1e-300},
        frozen={"latency:0.75": 0.1 + 0.2, "cost": math.inf}, approved=True, pinned=True, dismissed=("cost", "tokens"),
        steps=(Step(500, 600.0, 100), Step(10_000, 0.5, approval=True)),
        excluded=("c7", "u3"), acknowledged=("c7",),
    )  # fmt: skip
    await store.commit(agent, Decision(0, state, {}), "config")
    found, _ = await store.read(agent)
    assert found and found == replace(state, changed_at=found.changed_at)


async def test_a_record_from_before_the_steps_can_be_read(redis_url: str, agent: str) -> None:
    """What it lacks has not been used yet; its step began, as far as is known, with its last change."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    await store.commit(agent, Decision(0, replace(beginning().state, pinned=True, segment=5), {}), "config")
    later = ("excluded", "acknowledged")
    new = (*later, "began_at", "segment", "offset", "banked", "frozen", "approved", "pinned", "dismissed", "ladder")
    assert await client.execute_command("HDEL", f"serinus:{{{agent}}}:state", *new) == len(new)
    found, _ = await store.read(agent)
    assert found
    known = replace(beginning().state, changed_at=found.changed_at, began_at=found.changed_at)
    assert found == replace(known, steps=())
    await store.aclose()


async def test_a_field_of_an_older_record_does_not_stay(store: RedisStore, agent: str) -> None:
    """The record is written whole: nothing of the one before shines through."""
    first = await store.commit(agent, replace(beginning()), "config")
    assert first.state
    last = await store.commit(agent, following(first.state, phase=None, canary=None, rolled_back={}), "config")
    assert last.won and last.state and last.state.canary is None


async def test_the_audit_event_says_who_did_what_and_why(store: RedisStore, agent: str) -> None:
    """It holds the evidence to the last digit, and infinity as text, for JSON has no number for it."""
    evidence = {"e_value": math.inf, "weight": 0.1 + 0.2, "nested": {"rates": [1e-320, math.nan]}, "canary_errors": 3}
    committed = await store.commit(agent, replace(beginning(), evidence=evidence), "config-digest")
    (event,) = await store.audit(agent, 10)
    assert committed.state and event == {
        "seq": 1, "prev": "0" * 40, "hash": event_hash(event), "step": 1,
        "at": committed.state.changed_at, "agent": agent, "action": "start", "actor": "configuration",
        "reason": committed.state.reason, "config_digest": "config-digest", "epoch_before": 0, "epoch_after": 1,
        "phase": "running", "weight": 500, "stable": {"version": "v1", "digest": "digest-1"},
        "canary": {"version": "v2", "digest": "digest-2"}, "frozen": {}, "excluded": [],
        "evidence": {"e_value": "inf", "weight": 0.1 + 0.2, "nested": {"rates": [1e-320, "nan"]}, "canary_errors": 3},
    }  # fmt: skip


async def test_the_audit_trail_is_newest_first_and_bounded(store: RedisStore, agent: str) -> None:
    """Of five events the latest two, in the order in which one looks for them."""
    state = (await store.commit(agent, beginning(), "config")).state
    for _ in range(4):
        assert state
        state = (await store.commit(agent, following(state), "config")).state
    assert [event["epoch_after"] for event in await store.audit(agent, 2)] == [5, 4]


async def test_of_32_deciders_one_wins(new_store: NewStore, url: str, agent: str) -> None:
    """Over two replicas and many races: one winner and one event each in a whole chain; losers see the winner's."""
    races = RACES if url.startswith("unix") else RACES // 10  # the scripts are the same in a cluster
    stores = [new_store(), new_store()]
    state = (await stores[0].commit(agent, beginning(), "config")).state
    for _ in range(races):
        assert state
        state = await _race(stores, agent, state)
    events = [event async for event in stores[0].audit_all(agent)]
    assert [event["epoch_after"] for event in events] == list(range(1, races + 2))
    assert verify(events) == []


async def _race(stores: Sequence[RedisStore], agent: str, state: State) -> State | None:
    """The record after 32 decisions from the same epoch."""
    attempts = [following(state, reason=f"decider {n}") for n in range(DECIDERS)]
    results = await asyncio.gather(*(stores[n % 2].commit(agent, attempts[n], "config") for n in range(DECIDERS)))
    (winner,) = [result.state for result in results if result.won]
    assert all(result.state == winner for result in results)
    return winner


async def test_a_commit_whose_reply_was_lost_is_made_once(
    lossy_store: RedisStore, proxy: LossyProxy, agent: str
) -> None:
    """The caller cannot know whether it won; asking again shows its own decision as the record, and one event."""
    await lossy_store.commit(agent, beginning(), "config")
    state, _ = await lossy_store.read(agent)
    assert state
    proxy.lossy = True
    with pytest.raises(StoreAway):
        await lossy_store.commit(agent, following(state, reason="mine"), "config")
    proxy.lossy = False
    again = await lossy_store.commit(agent, following(state, reason="mine"), "config")
    assert not again.won and again.state and again.state.reason == "mine"
    assert len(await lossy_store.audit(agent, 10)) == 2


async def test_a_flushed_store_can_be_restored_at_a_higher_epoch(own_store: RedisStore, agent: str) -> None:
    """After FLUSHALL there is no record; the decision to restore what was last seen is taken over epoch 0."""
    seen = (await own_store.commit(agent, beginning(), "config")).state
    await own_store._client.execute_command("FLUSHALL")
    assert seen and (await own_store.read(agent))[0] is None
    committed = await own_store.commit(agent, restore(seen, None, now=0.0), "config")
    assert committed.won and committed.state and committed.state.epoch == 2


@pytest.mark.parametrize(
    "field, value", [("phase", "dreaming"), ("stable", "{"), ("epoch", "many"), ("canary", "[1]"), ("banked", "[]")]
)
async def test_a_record_that_cannot_be_read_is_no_missing_one(
    redis_url: str, agent: str, field: str, value: str
) -> None:
    """Else the next reader would begin anew, and a canary that was rolled back would return."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    await store.commit(agent, beginning(), "config")
    await client.execute_command("HSET", f"serinus:{{{agent}}}:state", field, value)
    with pytest.raises(StoreAway, match=agent):
        await store.read(agent)
    await store.aclose()


async def test_epochs_of_many_agents_come_at_once(store: RedisStore, agent: str) -> None:
    """Also where each of them lives on another node; an unknown one is at 0."""
    names = [f"{agent}-{n}" for n in range(EPOCHS_AT_ONCE + 5)]
    await asyncio.gather(*(store.commit(name, beginning(), "config") for name in names))
    assert await store.epochs([*names, "unknown"]) == {**dict.fromkeys(names, 1), "unknown": 0}
    assert await store.epochs([]) == {}


async def test_an_escalation_is_kept_in_a_stream(store: RedisStore, agent: str) -> None:
    """Each call's handover gets an id of its own, later ones higher ones; the same call's is kept once."""
    first = await store.escalate(agent, {"call_id": "c1", "text": "help\r\n"})
    again = await store.escalate(agent, {"call_id": "c1", "text": "help\r\n"})
    second = await store.escalate(agent, {"call_id": "c2", "text": "help\r\n"})
    assert first == again < second
