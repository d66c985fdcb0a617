"""Counts: each is added exactly once, whatever is repeated, lost or merged."""

import asyncio

import pytest
from redis.asyncio import Redis

from gateway.errors import StoreAway
from gateway.store import MAX_FAILING_UNITS, Arm, ArmTotal, Batch, RedisStore, connect
from policies.tally import Tally
from tests.gateway.store.conftest import NewStore
from tests.gateway.store.samples import batch, beginning
from tests.gateway.store.servers import LossyProxy


async def test_a_flush_answers_with_the_totals_and_the_epoch(store: RedisStore, agent: str) -> None:
    """What was counted comes back at once, so that a replica decides on the sums of all."""
    await store.commit(agent, beginning(), "config")
    reply = await store.flush(agent, 1, batch(stable=Arm(90, 1, {"a"}), canary=Arm(10, 3, {"b", "c"})))
    assert reply.epoch == 1
    assert reply.totals.stable == ArmTotal(requests=90, errors=1, failing=1)
    assert reply.totals.canary == ArmTotal(requests=10, errors=3, failing=2)
    assert reply.now > 1.7e9


async def test_without_a_record_the_epoch_is_zero(store: RedisStore, agent: str) -> None:
    """An empty batch over an unknown agent changes nothing and says that there is no record."""
    reply = await store.flush(agent, 1, batch())
    assert reply.epoch == 0
    assert reply.totals.stable == reply.totals.canary == ArmTotal()


async def test_a_repeated_batch_counts_once(store: RedisStore, agent: str) -> None:
    """The same sequence again, or an older one, changes nothing; the next one counts."""
    counts = batch(canary=Arm(10, 2, {"a"}), tallies={"v2": Tally(requests=10)})
    for sequence in (1, 2, 2, 1, 3):
        reply = await store.flush(agent, sequence, counts)
    assert reply.totals.canary == ArmTotal(requests=30, errors=6, failing=1)


async def test_a_flush_whose_reply_was_lost_counts_once(lossy_store: RedisStore, proxy: LossyProxy, agent: str) -> None:
    """The client repeats nothing by itself; the caller repeats the batch, and the store knows that it has it."""
    await lossy_store.flush(agent, 1, batch())
    proxy.lossy, proxy.scripts = True, 0
    with pytest.raises(StoreAway):
        await lossy_store.flush(agent, 2, batch(canary=Arm(7)))
    assert proxy.scripts == 1
    proxy.lossy = False
    reply = await lossy_store.flush(agent, 2, batch(canary=Arm(7)))
    assert reply.totals.canary.requests == 7


async def test_the_counts_of_concurrent_replicas_merge(new_store: NewStore, agent: str) -> None:
    """Four replicas flush at once, each with sequences of its own; the sums hold all of them."""
    counts = batch(stable=Arm(5, 1))
    stores = [new_store() for _ in range(4)]
    for sequence in (1, 2):
        await asyncio.gather(*(store.flush(agent, sequence, counts) for store in stores))
    reply = await stores[0].flush(agent, 3, batch())
    assert (reply.totals.stable.requests, reply.totals.stable.errors) == (40, 8)


async def test_a_unit_that_fails_at_two_replicas_is_one_failing_unit(new_store: NewStore, agent: str) -> None:
    """Failures are counted by unit over all replicas: one bad conversation proves nothing."""
    await new_store().flush(agent, 1, batch(canary=Arm(2, 2, {"a", "b"})))
    reply = await new_store().flush(agent, 1, batch(canary=Arm(2, 2, {"b", "c"})))
    assert reply.totals.canary.failing == 3


async def test_a_set_of_failing_units_stops_at_its_cap(store: RedisStore, agent: str) -> None:
    """Past the cap the set keeps its members and takes no more, even from one batch that goes beyond."""
    first = {f"unit {n}" for n in range(MAX_FAILING_UNITS - 1)}
    await store.flush(agent, 1, batch(canary=Arm(1, 1, first)))
    for sequence in (2, 3):
        reply = await store.flush(agent, sequence, batch(canary=Arm(1, 1, {f"{sequence} {n}" for n in range(50)})))
        assert reply.totals.canary.failing == MAX_FAILING_UNITS


async def test_each_evidence_epoch_counts_apart(store: RedisStore, agent: str) -> None:
    """A late batch of the step before is counted where it belongs."""
    await store.flush(agent, 1, Batch(1, 1, canary=Arm(5, 5, {"a"})))
    reply = await store.flush(agent, 2, Batch(1, 2, canary=Arm(1)))
    assert reply.totals.canary == ArmTotal(requests=1)


async def test_the_control_is_unseen_since_its_last_call(store: RedisStore, agent: str) -> None:
    """The seconds run from stable's last call, or from the epoch's first when stable had none."""
    assert (await store.flush(agent, 1, batch())).totals.control_unseen_seconds == 0.0
    await store.flush(agent, 2, batch(canary=Arm(1)))
    await asyncio.sleep(0.1)
    assert (await store.flush(agent, 3, batch(canary=Arm(1)))).totals.control_unseen_seconds >= 0.1
    assert (await store.flush(agent, 4, batch(stable=Arm(1)))).totals.control_unseen_seconds < 0.1


async def test_a_snapshot_gives_the_tallies_back(store: RedisStore, agent: str) -> None:
    """Every sum of a tally survives the store, under the key that it was counted for."""
    await store.commit(agent, beginning(), "config")
    tally = Tally(requests=3, errors=1, cost_nano_usd=2**60)
    tally.latency.update({-12: 1, 40: 2})
    await store.flush(agent, 1, batch(stable=Arm(3, 1, {"a"}), tallies={"v1": tally, "v1/apart": Tally(requests=1)}))
    snapshot = await store.snapshot(agent)
    assert snapshot.tallies == {"v1": tally, "v1/apart": Tally(requests=1)}
    assert snapshot.totals.stable == ArmTotal(3, 1, 1)
    assert snapshot.state and snapshot.state.epoch == 1


async def test_a_snapshot_of_an_unknown_agent_is_empty(store: RedisStore, agent: str) -> None:
    """No record, no sums, and no error."""
    snapshot = await store.snapshot(agent)
    assert snapshot.state is None
    assert snapshot.tallies == {}


async def test_a_sum_stays_where_it_would_overflow(store: RedisStore, agent: str) -> None:
    """A sum near 2^63 stops there, and the rest of the batch is counted all the same."""
    await store.commit(agent, beginning(), "config")
    for sequence, cost in enumerate((2**63 - 10, 100, 10**400), start=1):
        await store.flush(agent, sequence, batch(canary=Arm(1), tallies={"v2": Tally(cost_nano_usd=cost)}))
    snapshot = await store.snapshot(agent)
    assert snapshot.tallies["v2"].cost_nano_usd == 2**63 - 10
    assert snapshot.totals.canary.requests == 3


async def test_odd_units_add_no_keys_and_stay_small(redis_url: str, agent: str) -> None:
    """Ten thousand ids of every kind live as digests in one set; the agent's keys are those of its names."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    odd = {f"{n}:*{{x}}\r\n\udc80é{'y' * (n % 500)}" for n in range(10_000)}
    await store.flush(agent, 1, batch(canary=Arm(10_000, 10_000, odd), tallies={"v2": Tally(requests=1)}))
    names = {key.removeprefix(f"serinus:{{{agent}}}:") async for key in client.scan_iter(f"serinus:{{{agent}}}*")}
    assert names == {"batch:replica", "tally:1", "evidence:1", "failing:1:canary"}
    assert await client.scard(f"serinus:{{{agent}}}:failing:1:canary") == 10_000
    assert (await client.memory_usage(f"serinus:{{{agent}}}:failing:1:canary", samples=0) or 0) < 10_000 * 100
    await store.aclose()


async def test_sums_expire_and_the_record_does_not(redis_url: str, agent: str) -> None:
    """What only grows with rollouts and restarts goes away some time after its last flush."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    await store.commit(agent, beginning(), "config")
    await store.flush(agent, 1, batch(canary=Arm(1, 1, {"a"}), tallies={"v2": Tally(requests=1)}))
    lives = {
        name: await client.ttl(f"serinus:{{{agent}}}:{name}") for name in ("tally:1", "evidence:1", "batch:replica")
    }
    assert all(life > 3600 for life in lives.values())
    assert await client.ttl(f"serinus:{{{agent}}}:state") == await client.ttl(f"serinus:{{{agent}}}:audit") == -1
    await store.aclose()
