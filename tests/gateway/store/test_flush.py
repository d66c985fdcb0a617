"""Counts: each is added exactly once, whatever is repeated, lost or merged."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from gateway.errors import StoreAway
from gateway.store import MAX_FAILING_UNITS, MAX_UNITS, Arm, Batch, RedisStore, SampleSums, Sides, connect
from policies.evidence.evidence import WHOLE, ArmEvidence
from policies.evidence.tally import Tally
from policies.rollout.rollout import new_segment
from policies.statistics.means import Sample
from tests.gateway.store.conftest import NewStore
from tests.support.decisions import batch, beginning, failing, following
from tests.support.redis_servers import ENOUGH_SECONDS, LossyProxy


async def _sides(store: RedisStore, agent: str) -> Sides:
    """The evidence of rollout 1 as the store has it."""
    return (await store.snapshot(agent)).sides


def _everything() -> Arm:
    """An arm with a part of every kind."""
    return Arm(
        requests=10, errors=3, units={"a", "b", "c"},
        bad={"errors": {"a": WHOLE, "b": WHOLE}, "quality": {"a": 250_000, "c": 500_000}},
        samples={"cost": SampleSums(10, 70, 900, {0: [30, 4], 31: [40, 6]})},
    )  # fmt: skip


EVERYTHING = ArmEvidence(
    requests={0: 10},
    errors=3,
    units=3,
    bad={"errors": {0: 2 * WHOLE}, "quality": {0: 750_000}},
    bad_units={"errors": 2, "quality": 2},
    samples={"cost": Sample(10, 70.0, 900.0, ((30.0, 4), *[(0.0, 0)] * 30, (40.0, 6)))},
)


async def test_a_flush_answers_with_the_evidence_and_the_epoch(store: RedisStore, agent: str) -> None:
    """What was counted comes back at once, so that a replica decides on the sums of all."""
    await store.commit(agent, beginning(), "config")
    stable = Arm(90, bad={"latency_p90:0.75:1.1": {"x": WHOLE}})
    reply = await store.flush(agent, 1, batch(stable=stable, canary=_everything()))
    assert reply.epoch == 1
    assert reply.now > 1.7e9
    assert reply.sides is not None and reply.sides.canary == EVERYTHING
    assert reply.sides.stable == ArmEvidence(
        requests={0: 90}, bad={"latency_p90:0.75:1.1": {0: WHOLE}}, bad_units={"latency_p90:0.75:1.1": 1}
    )


@pytest.mark.parametrize("canary", [Arm(requests=9, units={"a"}), Arm(bad={"errors": {}}), Arm()])
async def test_evidence_comes_only_with_something_bad(store: RedisStore, agent: str, canary: Arm) -> None:
    """While the canary is well there is nothing to decide, whatever becomes of stable: nothing is sent."""
    reply = await store.flush(agent, 1, batch(stable=failing("x"), canary=canary))
    assert reply.sides is None
    assert (await store.flush(agent, 2, batch(canary=failing("a")))).sides is not None


async def test_evidence_comes_again_only_with_news(store: RedisStore, agent: str) -> None:
    """A unit known to be slow proves no more by another slow call; a new one does, and a failure is always told."""
    slow = Arm(1, bad={"latency_p90:0.9:1.1": {"a": WHOLE}})
    answers = [(await store.flush(agent, sequence, batch(canary=slow))).sides for sequence in (1, 2)]
    assert [sides is None for sides in answers] == [False, True]
    other = Arm(1, bad={"latency_p90:0.9:1.1": {"a": WHOLE, "b": WHOLE}})
    assert (await store.flush(agent, 3, batch(canary=other))).sides is not None
    for sequence in (4, 5):
        assert (await store.flush(agent, sequence, batch(canary=failing("a")))).sides is not None


async def test_a_repeated_batch_is_told_what_it_brought_about(store: RedisStore, agent: str) -> None:
    """Its first answer was lost, so that nobody has decided on it yet."""
    slow = batch(canary=Arm(1, bad={"latency_p90:0.9:1.1": {"a": WHOLE}}))
    first, again = await store.flush(agent, 1, slow), await store.flush(agent, 1, slow)
    assert first.sides is not None and again.sides is not None
    assert again.sides.canary == first.sides.canary


async def test_without_a_record_the_epoch_is_zero(store: RedisStore, agent: str) -> None:
    """An empty batch over an unknown agent changes nothing and says that there is no record."""
    reply = await store.flush(agent, 1, batch())
    assert reply.epoch == 0
    assert (await store.snapshot(agent)).sides == Sides()


async def test_a_repeated_batch_counts_once(store: RedisStore, agent: str) -> None:
    """The same sequence again, or an older one, changes nothing of any part; the next one counts."""
    await store.commit(agent, beginning(), "config")
    counts = batch(canary=_everything(), tallies={"v2": Tally(requests=10)})
    for sequence in (1, 1, 1):
        reply = await store.flush(agent, sequence, counts)
    assert reply.sides is not None and reply.sides.canary == EVERYTHING
    for sequence in (2, 2, 1, 3):
        reply = await store.flush(agent, sequence, counts)
    assert reply.sides is not None
    assert (reply.sides.canary.calls, reply.sides.canary.errors, reply.sides.canary.samples["cost"].n) == (30, 9, 30)
    assert (await store.snapshot(agent)).tallies["v2"].requests == 30


async def test_a_flush_whose_reply_was_lost_counts_once(lossy_store: RedisStore, proxy: LossyProxy, agent: str) -> None:
    """The client repeats nothing by itself; the caller repeats the batch, and the store knows that it has it."""
    await lossy_store.flush(agent, 1, batch())
    proxy.lossy, proxy.scripts = True, 0
    with pytest.raises(StoreAway):
        await lossy_store.flush(agent, 2, batch(canary=_everything()))
    assert proxy.scripts == 1
    proxy.lossy = False
    reply = await lossy_store.flush(agent, 2, batch(canary=_everything()))
    assert reply.sides is not None and reply.sides.canary == EVERYTHING


async def test_the_counts_of_concurrent_replicas_merge(new_store: NewStore, agent: str) -> None:
    """Four replicas flush at once, each with sequences of its own; the sums hold all of them."""
    stores = [new_store() for _ in range(4)]
    await stores[0].commit(agent, beginning(), "config")
    counts = batch(stable=_everything())
    for sequence in (1, 2):
        await asyncio.gather(*(store.flush(agent, sequence, counts) for store in stores))
    stable = (await _sides(stores[0], agent)).stable
    assert (stable.calls, stable.errors, stable.samples["cost"].squares) == (80, 24, 7200.0)
    assert stable.samples["cost"].bins[31] == (320.0, 48)


async def test_a_unit_counts_once_at_its_first_badness(new_store: NewStore, agent: str) -> None:
    """Over all replicas: one bad conversation proves nothing, however often it is bad, and however much worse."""
    first = Arm(2, 2, bad={"errors": {"a": WHOLE, "b": WHOLE}, "quality": {"a": 300_000}})
    await new_store().flush(agent, 1, batch(canary=first))
    second = Arm(2, 2, bad={"errors": {"b": WHOLE, "c": WHOLE}, "quality": {"a": 900_000, "d": 100_000}})
    reply = await new_store().flush(agent, 1, batch(canary=second))
    assert reply.sides is not None and reply.sides.canary.bad_units == {"errors": 3, "quality": 2}
    assert reply.sides.canary.bad == {"errors": {0: 3 * WHOLE}, "quality": {0: 400_000}}


async def test_a_unit_counts_once_over_all_steps(store: RedisStore, agent: str) -> None:
    """Also where it goes on in a later step, whose evidence has it apart; its calls go on counting."""
    await store.commit(agent, beginning(), "config")
    await store.flush(agent, 1, batch(canary=failing("a", "b"), stable=failing("x")))
    second = new_segment(beginning().state, 1.0, weight=5000)
    await store.commit(agent, second, "config")
    epoch = second.state.evidence
    old = (failing("x", "y"), replace(failing("a", "c"), party_of={"c": "c1"}, requests_of={"c1": 1}))
    counts = Batch(1, epoch, canary=failing("d"), earlier={1: old})
    for sequence in (2, 3):
        reply = await store.flush(agent, sequence, counts)
    assert reply.sides is not None
    canary, stable = reply.sides.canary, reply.sides.stable
    assert canary.bad_units == {"errors": 1, "errors~1": 1, "errors~1@c1": 1}
    assert (canary.requests, canary.requests_of) == ({0: 2}, {"~1": {0: 4}, "~1@c1": {0: 2}})
    assert (stable.bad_units, stable.requests) == ({"errors~1": 1}, {})


async def test_failures_of_old_conversations_ask_for_a_decision(store: RedisStore, agent: str) -> None:
    """Like those of new ones, at once."""
    old = Batch(1, 1, earlier={7: (Arm(), failing("a"))})
    for sequence in (1, 2):
        assert (await store.flush(agent, sequence, old)).sides is not None
    other = Batch(1, 1, earlier={7: (failing("b"), Arm(requests=3))})
    assert (await store.flush(agent, 3, other)).sides is None


async def test_a_unit_counts_in_each_arm_and_component(store: RedisStore, agent: str) -> None:
    """A user may stand on both arms, and one call may be slow and wrong."""
    both = Arm(1, bad={"errors": {"a": WHOLE}, "quality": {"a": WHOLE}})
    reply = await store.flush(agent, 1, batch(stable=both, canary=both))
    assert reply.sides is not None
    assert reply.sides.stable.bad_units == reply.sides.canary.bad_units == {"errors": 1, "quality": 1}


@pytest.mark.parametrize("full", ["stable", "canary"])
async def test_a_component_freezes_for_both_arms_at_its_cap(store: RedisStore, agent: str, full: str) -> None:
    """When one arm can count no more the other must not either, or what is left would look like a difference."""
    await store.commit(agent, beginning(), "config")
    for sequence, (name, count) in enumerate((("unit", MAX_FAILING_UNITS - 1), ("more", 50)), start=1):
        arm = Arm(bad={"errors": {f"{name} {n}": WHOLE for n in range(count)}})
        await store.flush(agent, sequence, batch(stable=arm) if full == "stable" else batch(canary=arm))
    other = Arm(1, bad={"errors": {"x": WHOLE}, "quality": {"x": 1}})
    await store.flush(agent, 3, batch(stable=other, canary=other))
    sides = await _sides(store, agent)
    arms = {"stable": sides.stable, "canary": sides.canary}
    assert arms.pop(full).bad == {"errors": {0: MAX_FAILING_UNITS * WHOLE}, "quality": {0: 1}}
    assert [arm.bad for arm in arms.values()] == [{"quality": {0: 1}}]


async def test_the_canarys_units_are_counted_as_far_as_wanted(store: RedisStore, agent: str) -> None:
    """Distinct ones, over all batches, and no more than the cap."""
    await store.commit(agent, beginning(), "config")
    for sequence, count in enumerate((20, 30, 30), start=1):
        await store.flush(agent, sequence, batch(canary=Arm(1, units={f"{n}" for n in range(count)})))
    assert (await _sides(store, agent)).canary.units == 30
    await store.flush(agent, 4, batch(canary=Arm(1, units={f"{n}" for n in range(100)})))
    assert (await _sides(store, agent)).canary.units == MAX_UNITS


async def test_each_evidence_epoch_counts_apart(store: RedisStore, agent: str) -> None:
    """A late batch of the step before is counted where it belongs."""
    await store.flush(agent, 1, Batch(1, 1, canary=failing("a", requests=5)))
    reply = await store.flush(agent, 2, Batch(1, 2, canary=failing("a")))
    assert reply.sides is not None and reply.sides.canary == ArmEvidence(
        requests={0: 1}, errors=1, bad={"errors": {0: WHOLE}}, bad_units={"errors": 1}
    )


async def test_the_control_is_unseen_since_its_last_call(store: RedisStore, agent: str) -> None:
    """The seconds run from stable's last call, or from the epoch's first when stable had none."""
    await store.commit(agent, beginning(), "config")
    assert (await _sides(store, agent)).control_unseen_seconds == 0.0
    await store.flush(agent, 1, batch(canary=Arm(1)))
    await asyncio.sleep(0.1)
    assert (await _sides(store, agent)).control_unseen_seconds >= 0.1
    await store.flush(agent, 2, batch(stable=Arm(1)))
    assert (await _sides(store, agent)).control_unseen_seconds < 0.1


async def test_a_control_whose_calls_are_no_evidence_is_seen(store: RedisStore, agent: str) -> None:
    """An outage that censors both arms for minutes leaves no canary without its control."""
    await store.commit(agent, beginning(), "config")
    await store.flush(agent, 1, batch(canary=Arm(1)))
    await asyncio.sleep(0.1)
    await store.flush(agent, 2, batch(stable=Arm(uncounted=3)))
    sides = await _sides(store, agent)
    assert sides.control_unseen_seconds < 0.1 and sides.stable == ArmEvidence()


async def test_each_partys_part_is_counted_beside_the_whole(store: RedisStore, agent: str) -> None:
    """Bad units, judged calls and amounts; a unit counts once, for the party that was first to bring it."""
    await store.commit(agent, beginning(), "config")
    bad = {"errors": {"x": WHOLE, "y": WHOLE}}
    sums = {"cost": SampleSums(2, 5, 13, {3: [5, 2]}), "cost@c1": SampleSums(1, 2, 4)}
    canary = Arm(3, 2, bad=bad, party_of={"x": "c1", "y": "c2"}, requests_of={"c1": 2, "c2": 1}, samples=sums)
    await store.flush(agent, 1, batch(canary=canary))
    await store.flush(agent, 2, batch(canary=Arm(1, 1, bad={"errors": {"x": WHOLE}}, party_of={"x": "c2"})))
    found = (await _sides(store, agent)).canary
    parts = {"errors": 2, "errors@c1": 1, "errors@c2": 1}
    assert (found.bad_units, found.requests_of) == (parts, {"c1": {0: 2}, "c2": {0: 1}})
    assert found.bad == {name: {0: units * WHOLE} for name, units in parts.items()}
    assert (found.samples["cost"].n, found.samples["cost@c1"]) == (2, Sample(1, 2.0, 4.0))


async def test_checks_lie_in_windows_of_eight(store: RedisStore, agent: str) -> None:
    """With each party's part, beside the sums of the step; a unit that is bad a second time is in none."""
    await store.commit(agent, beginning(), "config")
    good = {("errors", ""): 3, ("errors", "c1"): 4, ("rejections", ""): 7}
    bad = {"errors!": {"x": WHOLE, "y": WHOLE}}
    await store.flush(agent, 1, batch(canary=Arm(7, checks=good)))
    await store.flush(agent, 2, batch(canary=Arm(2, 2, bad=bad, party_of={"x": "c1"})))
    await store.flush(agent, 3, batch(canary=Arm(1, 1, bad={"errors!": {"x": WHOLE}})))
    await store.flush(agent, 4, batch(canary=Arm(1, checks={("errors", ""): 1})))
    found = (await _sides(store, agent)).canary
    assert found.checks == {"errors": 8, "errors@c1": 4, "rejections": 7}
    assert found.bad_units == {"errors!": 2, "errors!@c1": 1}
    assert found.recent == {
        "errors": {0: 7, 1: 1}, "errors@c1": {0: 4}, "rejections": {0: 7}, "errors!": {0: 2}, "errors!@c1": {0: 1},
    }  # fmt: skip


async def test_a_window_holds_one_sum_for_each_name(redis_url: str, agent: str) -> None:
    """However often looks come that begin no new window: a unit that was bad before may go on to pass a limit."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica", deadline=ENOUGH_SECONDS)
    await store.commit(agent, beginning(), "config")
    looks = {("rejections", ""): 1, ("rejections", "c1"): 2, ("latency_p95>1.5", ""): 1}
    for sequence in range(1, 41):
        await store.flush(agent, sequence, batch(canary=Arm(1, checks=looks)))
    found = (await _sides(store, agent)).canary.recent
    assert found == {"rejections": {0: 120}, "rejections@c1": {0: 80}, "latency_p95>1.5": {0: 40}}
    text = await client.hget(f"serinus:{{{agent}}}:evidence:1", "window:0")
    assert len(text or "") == len("0 rejections=120 rejections@c1=80 latency_p95>1.5=40 ")
    await store.aclose()


async def test_only_the_latest_windows_are_kept(store: RedisStore, agent: str) -> None:
    """However long the step: what is left of older ones is not read."""
    await store.commit(agent, beginning(), "config")
    for sequence in range(1, 51):
        await store.flush(agent, sequence, batch(canary=Arm(8, checks={("errors", ""): 8})))
    found = (await _sides(store, agent)).canary
    assert found.checks == {"errors": 400} and found.recent["errors"] == dict.fromkeys(range(18, 50), 8)
    await store.flush(agent, 51, batch(canary=Arm(8, checks={("errors", ""): 160})))
    await store.flush(agent, 52, batch(canary=Arm(8, checks={("errors", ""): 1})))
    assert set((await _sides(store, agent)).canary.recent["errors"]) == {*range(39, 51), 70}


async def test_parties_are_known_from_one_step_to_the_next(store: RedisStore, agent: str) -> None:
    """So that a caller who is the first in a new step is not taken for the only one there is."""
    await store.commit(agent, beginning(), "config")
    await store.flush(agent, 1, Batch(1, 1, parties={"c7", "u2", "u3"}))
    await store.flush(agent, 2, Batch(1, 2, canary=Arm(1), parties={"c9"}))
    reply = await store.flush(agent, 3, Batch(1, 2, canary=failing("x")))
    assert reply.sides is not None
    assert (reply.sides.callers, reply.sides.users) == (2, 2) and reply.sides.observed_seconds > 0


async def test_a_snapshot_gives_the_tallies_back(store: RedisStore, agent: str) -> None:
    """Every sum of a tally survives the store, under the key that it was counted for."""
    await store.commit(agent, beginning(), "config")
    tally = Tally(requests=3, errors=1, cost_nano_usd=2**60)
    tally.latency.update({-12: 1, 40: 2})
    await store.flush(agent, 1, batch(stable=_everything(), tallies={"v1": tally, "v1/apart": Tally(requests=1)}))
    snapshot = await store.snapshot(agent)
    assert snapshot.tallies == {"v1": tally, "v1/apart": Tally(requests=1)}
    assert snapshot.sides.stable.bad == EVERYTHING.bad
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
    assert snapshot.sides.canary.calls == 3


async def test_a_sample_stops_as_a_whole(store: RedisStore, agent: str) -> None:
    """Were its squares alone to stop at 2^63, the mean would look more certain than it is."""
    await store.commit(agent, beginning(), "config")
    for sequence, squares in enumerate((2**63 - 10, 100, 5), start=1):
        sums = {"cost": SampleSums(1, 7, squares, {3: [7, 1]}), "tokens": SampleSums(1, 2, 4)}
        await store.flush(agent, sequence, batch(canary=Arm(1, samples=sums)))
    samples = (await _sides(store, agent)).canary.samples
    assert (samples["cost"].n, samples["cost"].total, samples["cost"].bins[3]) == (2, 14.0, (14.0, 2))
    assert samples["tokens"] == Sample(3, 6.0, 12.0)


async def test_odd_units_add_no_keys_and_stay_small(redis_url: str, agent: str) -> None:
    """Ten thousand ids of every kind live as digests in one set; the agent's keys are those of its names."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica", deadline=ENOUGH_SECONDS)
    odd = [f"{n}:*{{x}}\r\n\udc80é{'y' * (n % 500)}" for n in range(10_000)]
    counts = failing(*odd)
    counts.units = set(odd)
    await store.flush(agent, 1, batch(canary=counts, tallies={"v2": Tally(requests=1)}))
    names = {key.removeprefix(f"serinus:{{{agent}}}:") async for key in client.scan_iter(f"serinus:{{{agent}}}*")}
    counted = {"batch:replica", "tally:1", "evidence:1", "units:1", "bad:1:canary:errors"}
    assert names == {*counted, "history:open", "history:ended"}
    assert await client.scard(f"serinus:{{{agent}}}:bad:1:canary:errors") == 10_000
    size = await client.memory_usage(f"serinus:{{{agent}}}:bad:1:canary:errors", samples=0)
    assert (size or 0) < 10_000 * 100
    await store.aclose()


async def test_units_lie_under_the_names_that_other_releases_give_them(redis_url: str, agent: str) -> None:
    """During an upgrade old and new replicas add to the same sets: under two names a unit would count twice."""
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    counts = failing("0123456789abcdef", "unit 2")
    counts.units = {"0123456789abcdef"}
    await store.flush(agent, 1, batch(canary=counts))
    names = [bytes.fromhex("f155a4356fd452af044697f7"), bytes.fromhex("15f9f2eebe9365acfc91e097")]
    for key, members in (("units:1", names[:1]), ("bad:1:canary:errors", names)):
        found = [await client.sismember(f"serinus:{{{agent}}}:{key}", member) for member in members]  # type: ignore[arg-type]
        assert found == [1] * len(members)
        assert await client.scard(f"serinus:{{{agent}}}:{key}") == len(members)
    await store.aclose()


async def test_sums_expire_and_the_record_does_not(redis_url: str, agent: str) -> None:
    """What only grows with rollouts and restarts goes away some time after its last flush."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    await store.commit(agent, beginning(), "config")
    await store.flush(agent, 1, batch(canary=_everything(), tallies={"v2": Tally(requests=1)}))
    sums = ("tally:1", "evidence:1", "batch:replica", "units:1", "bad:1:canary:errors", "bad:1:canary:quality")
    lives = {name: await client.ttl(f"serinus:{{{agent}}}:{name}") for name in sums}
    assert all(life > 3600 for life in lives.values())
    assert await client.ttl(f"serinus:{{{agent}}}:state") == await client.ttl(f"serinus:{{{agent}}}:audit") == -1
    await store.aclose()


async def test_units_of_a_step_are_known_while_its_conversations_are_evidence(redis_url: str, agent: str) -> None:
    """A late call of that step does not shorten their life: they would count again in the next one."""
    store = RedisStore(client := connect(redis_url), "replica")
    await store.commit(agent, beginning(), "config")
    await store.commit(agent, new_segment(beginning().state, 1.0, weight=5000), "config")
    await store.flush(agent, 1, batch(canary=failing("a")))
    assert 0 < await client.ttl(f"serinus:{{{agent}}}:evidence:1") <= 3600
    assert await client.ttl(f"serinus:{{{agent}}}:bad:1:canary:errors") > 24 * 3600
    await store.aclose()


async def test_the_evidence_of_an_ended_step_goes_soon(redis_url: str, agent: str) -> None:
    """Its sets are the largest thing there is, and late calls still come in for a while; the tally stays."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    state = (await store.commit(agent, beginning(), "config")).state
    assert state
    await store.commit(agent, following(state, evidence=2), "config")
    await store.flush(agent, 1, batch(canary=failing("a"), tallies={"v2": Tally(requests=1)}))
    for name in ("evidence:1", "bad:1:canary:errors"):
        assert 0 < await client.ttl(f"serinus:{{{agent}}}:{name}") <= 3600
    assert await client.ttl(f"serinus:{{{agent}}}:tally:1") > 24 * 3600
    await store.aclose()
