"""Reviews in the store: a call waits once, one person has it, and a label is given and counted once."""

import json
from dataclasses import replace
from time import time

from gateway.store import RedisStore
from gateway.store.review_seam import LabelName, ReviewBounds, WaitingReview
from tests.gateway.store.conftest import NewStore

BOUNDS = ReviewBounds(3_600)
LONG = 60.0
GOOD: tuple[LabelName, str] = ("good", "")


def review(key: str, *reasons: str, **more: object) -> WaitingReview:
    made = WaitingReview(key, f"call {key}", "v1", "stable", "app", "t", ("sample",), time() - 100)
    return replace(made, **{**({"reasons": reasons} if reasons else {}), **more})  # type: ignore[arg-type]


async def add(store: RedisStore, agent: str, *keys: str, bounds: ReviewBounds = BOUNDS) -> None:
    """Add calls of the sample, the earliest first."""
    reviews = [review(key, at=time() - 100 + index) for index, key in enumerate(keys)]
    await store.add_reviews(agent, reviews, bounds)


async def lease(store: RedisStore, agent: str, name: str, *keys: str) -> list[str]:
    return [each.key for each in (await store.lease_reviews(agent, name, LONG, keys)).reviews]


async def waiting(store: RedisStore, agent: str) -> list[str]:
    return [each.key for each in await store.waiting_reviews(agent)]


async def test_a_call_waits_once(new_store: NewStore, agent: str) -> None:
    """Two replicas that meet it for different reasons make one of it; one that has a label waits no more."""
    one, other = new_store(), new_store()
    await one.add_reviews(agent, [review("a"), review("b")], BOUNDS)
    await other.add_reviews(agent, [review("a", "escalated"), review("b")], BOUNDS)
    assert [(each.key, each.reasons) for each in await one.waiting_reviews(agent)] == [
        ("a", ("sample", "escalated")), ("b", ("sample",)),
    ]  # fmt: skip
    assert await one.count_reviews([agent, "nobody"]) == {agent: 2, "nobody": 0}
    await lease(one, agent, "mine")
    assert await one.label_reviews(agent, "mine", {"a": GOOD}, "ada", LONG) == "labelled"
    await add(other, agent, "a")
    assert await waiting(other, agent) == ["b"]


async def test_two_people_never_get_one_call(new_store: NewStore, agent: str) -> None:
    """Over replicas; a lease that is asked for again gives the same, and with nothing left nobody gets anything."""
    one, other = new_store(), new_store()
    await add(one, agent, "a", "b")
    assert (await lease(one, agent, "ada"), await lease(other, agent, "bob")) == (["a"], ["b"])
    assert (await lease(other, agent, "ada"), await lease(one, agent, "eve")) == (["a"], [])
    held = await one.find_lease(agent, "ada")
    assert held.until > held.now and [each.key for each in held.reviews] == ["a"] and held.labels == ()


async def test_a_lease_runs_out(store: RedisStore, agent: str) -> None:
    """Then somebody else gets the call, and the first one's label is refused; until then it is still taken."""
    await add(store, agent, "a", "b")
    for name in ("ada", "eve"):
        await store.lease_reviews(agent, name, 0.0)
    assert await lease(store, agent, "bob") == ["a"]
    assert await store.label_reviews(agent, "eve", {"a": GOOD}, "eve", LONG) == "taken"
    assert await store.label_reviews(agent, "bob", {"a": GOOD}, "bob", LONG) == "labelled"
    assert await store.label_reviews(agent, "eve", {"a": GOOD}, "eve", LONG) == "taken"
    await store.lease_reviews(agent, "kim", 0.0)
    assert await store.label_reviews(agent, "kim", {"b": GOOD}, "kim", LONG) == "labelled"
    assert await store.label_reviews(agent, "kim", {"c": GOOD}, "kim", LONG) == "gone"


async def test_a_pair_is_had_whole_or_not_at_all(store: RedisStore, agent: str) -> None:
    """And labelled whole."""
    await add(store, agent, "a", "b", "c")
    assert await lease(store, agent, "ada", "a", "c") == ["a", "c"]
    assert await lease(store, agent, "bob", "b", "c") == [] and await lease(store, agent, "bob") == ["b"]
    assert await store.label_reviews(agent, "ada", {"a": GOOD, "b": GOOD}, "ada", LONG) == "taken"
    assert await store.review_labels(agent) == []
    labels: dict[str, tuple[LabelName, str]] = {"a": GOOD, "c": ("bad", "rude")}
    assert await store.label_reviews(agent, "ada", labels, "ada", LONG) == "labelled"
    assert {each.review.key: each.label for each in await store.review_labels(agent)} == {"a": "good", "c": "bad"}


async def test_a_label_is_given_once(new_store: NewStore, agent: str) -> None:
    """What is sent again changes nothing, at another replica neither."""
    one, other = new_store(), new_store()
    await add(one, agent, "a")
    await lease(one, agent, "ada")
    assert await one.label_reviews(agent, "ada", {"a": ("bad", "rude")}, "ada", LONG) == "labelled"
    assert await other.label_reviews(agent, "ada", {"a": GOOD}, "ada", LONG) == "repeated"
    (label,) = await one.review_labels(agent)
    assert (label.label, label.comment, label.by, label.counted) == ("bad", "rude", "ada", "")
    assert label.review == replace(review("a"), at=label.review.at) and label.counts_at - label.at == LONG


async def test_labels_count_once(new_store: NewStore, agent: str) -> None:
    """At one replica, which gets them again until it has settled them: a reply may be lost."""
    one, other = new_store(), new_store()
    await add(one, agent, "a", "b")
    for name, delay in (("ada", 0.0), ("bob", LONG)):
        (key,) = await lease(one, agent, name)
        await one.label_reviews(agent, name, {key: GOOD}, name, delay)
    claimed = [[each.review.key for each in await store.claim_labels(agent)] for store in (one, other, one)]
    assert claimed == [["a"], [], ["a"]]
    await one.settle_labels(agent, {"a": "as a score"})
    assert await one.claim_labels(agent) == []
    assert [each.counted for each in await other.review_labels(agent)] == ["as a score", ""]


async def test_a_replica_that_dies_while_it_counts(new_store: NewStore, agent: str) -> None:
    """Nobody knows whether it has counted: after an hour that is said, and the label counts no second time."""
    one, other = new_store(), new_store()
    await add(one, agent, "a")
    await lease(one, agent, "ada")
    await one.label_reviews(agent, "ada", {"a": GOOD}, "ada", 0.0)
    assert len(await one.claim_labels(agent)) == 1
    name = f"serinus:{{{agent}}}:review:labels"
    kept = json.loads(str(await one._client.hget(name, "a")))
    await one._client.hset(name, "a", json.dumps({**kept, "claimed_at": kept["claimed_at"] - 3_601}))
    assert await other.claim_labels(agent) == []
    assert [each.counted for each in await other.review_labels(agent)] == [
        "not known: the gateway that counted it has ended"
    ]


async def test_a_label_is_taken_back(store: RedisStore, agent: str) -> None:
    """Until it counts: then its call is before the same person again; afterwards nothing happens."""
    await add(store, agent, "a", "b")
    for name, delay in (("ada", LONG), ("bob", 0.0)):
        (key,) = await lease(store, agent, name)
        await store.label_reviews(agent, name, {key: GOOD}, name, delay)
    assert await store.undo_labels(agent, "ada", LONG) == 1 and await store.undo_labels(agent, "ada", LONG) == 0
    assert await store.undo_labels(agent, "bob", LONG) == 0
    assert (await lease(store, agent, "eve"), await lease(store, agent, "ada")) == ([], ["a"])
    assert [each.review.key for each in await store.review_labels(agent)] == ["b"]


async def test_a_call_is_skipped(store: RedisStore, agent: str) -> None:
    """It goes to the end of the queue, and to nobody for a while."""
    await add(store, agent, "a", "b")
    await lease(store, agent, "ada")
    await store.release_reviews(agent, "ada", LONG)
    assert await lease(store, agent, "ada") == ["b"] and await lease(store, agent, "bob") == []
    await store.release_reviews(agent, "ada", 0.0)
    assert await lease(store, agent, "bob") == ["b"]


async def test_the_oldest_of_the_sample_go_first(store: RedisStore, agent: str) -> None:
    """What was chosen for a reason, and what somebody has before them, stays; so does the bound on labels."""
    await store.add_reviews(agent, [review("chosen", "escalated", at=time() - 500)], BOUNDS)
    await add(store, agent, "a", "b", "c")
    await lease(store, agent, "ada", "a")
    await store.add_reviews(agent, [review("d", at=time())], ReviewBounds(3_600, 3))
    assert await waiting(store, agent) == ["chosen", "a", "d"]


async def test_everything_ends(store: RedisStore, agent: str) -> None:
    """With the call's texts: what waits, labels, and the hashes themselves."""
    await store.add_reviews(agent, [review("old", at=time() - 4_000)], BOUNDS)
    assert await waiting(store, agent) == []
    await store.add_reviews(agent, [review("a", at=time() - 3_598.5), review("b", at=time())], BOUNDS)
    await lease(store, agent, "ada", "a")
    await store.label_reviews(agent, "ada", {"a": GOOD}, "ada", 0.0)
    async for name in store._client.scan_iter(f"serinus:{{{agent}}}:review:*"):
        assert 0 < await store._client.ttl(name) <= 3_600


async def test_forgotten_by_calls_and_by_conversations(store: RedisStore, agent: str) -> None:
    """What waits, and what was said of it."""
    await store.add_reviews(agent, [review("a"), review("b", thread="u"), review("c", thread="u"), review("d")], BOUNDS)
    await lease(store, agent, "ada", "c")
    await store.label_reviews(agent, "ada", {"c": ("bad", "their words")}, "ada", 0.0)
    await store.forget_reviews(agent, ["a"], ["u"])
    assert await waiting(store, agent) == ["d"] and await store.review_labels(agent) == []
