"""Reviews in the store: calls that wait, by their keys, and the labels of those that wait no more.

`reviews.lua` changes both. Each entry ends with its call's texts; the hashes themselves end with their last entry.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from gateway.store.reaching import Reaching, key_of
from gateway.store.review_seam import Labelling, LabelName, Lease, ReviewBounds, ReviewLabel, WaitingReview
from gateway.store.scripts import REVIEWS

_AGENTS_AT_ONCE = 100
_MOST_LABELS = ReviewBounds(0).labels


class ReviewKeeping:
    """The operations of `RedisStore` on reviews."""

    async def add_reviews(self: Reaching, agent: str, reviews: Sequence[WaitingReview], bounds: ReviewBounds) -> None:
        given = {"reviews": [_encoded(each) for each in reviews], "seconds": bounds.seconds, "most": bounds.waiting}
        await _change(self, agent, "add", given)

    async def count_reviews(self: Reaching, agents: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        async with self._reach():
            for first in range(0, len(agents), _AGENTS_AT_ONCE):
                pipe, portion = self._pipeline(), agents[first : first + _AGENTS_AT_ONCE]
                for agent in portion:
                    pipe.hlen(waiting_key(agent))
                found |= zip(portion, map(int, await self._execute(pipe)), strict=True)
        return found

    async def waiting_reviews(self: Reaching, agent: str) -> list[WaitingReview]:
        kept = [each for each in await _read(self, waiting_key(agent)) if each["ends"] > time.time()]
        return [_review(each) for each in sorted(kept, key=lambda each: (_is_sampled(each), each["turn"]))]

    async def review_labels(self: Reaching, agent: str) -> list[ReviewLabel]:
        kept = [each for each in await _read(self, _keys(agent)[1]) if each["ends"] > time.time()]
        return sorted(map(_label, kept), key=lambda label: (label.at, label.review.key))

    async def lease_reviews(self: Reaching, agent: str, lease: str, seconds: float, keys: Sequence[str] = ()) -> Lease:
        return _lease(await _change(self, agent, "lease", {"lease": lease, "seconds": seconds, "keys": list(keys)}))

    async def find_lease(self: Reaching, agent: str, lease: str) -> Lease:
        return _lease(await _change(self, agent, "show", {"lease": lease}))

    async def label_reviews(
        self: Reaching, agent: str, lease: str, labels: Mapping[str, tuple[LabelName, str]], by: str, delay: float
    ) -> Labelling:
        given = {"lease": lease, "labels": dict(labels), "by": by, "delay": delay, "most": _MOST_LABELS}
        labelling: Labelling = (await _change(self, agent, "label", given))["labelling"]
        return labelling

    async def release_reviews(self: Reaching, agent: str, lease: str, pause: float) -> None:
        await _change(self, agent, "release", {"lease": lease, "pause": pause})

    async def undo_labels(self: Reaching, agent: str, lease: str, seconds: float) -> int:
        return int((await _change(self, agent, "undo", {"lease": lease, "seconds": seconds}))["count"])

    async def claim_labels(self: Reaching, agent: str) -> list[ReviewLabel]:
        found = await _change(self, agent, "claim", {"replica": self._replica})
        return list(map(_label, _listed(found["labels"])))

    async def settle_labels(self: Reaching, agent: str, counted: Mapping[str, str]) -> None:
        await _change(self, agent, "settle", {"counted": dict(counted)})

    async def forget_reviews(self: Reaching, agent: str, keys: Sequence[str], threads: Sequence[str]) -> None:
        await _change(self, agent, "forget", {"keys": list(keys), "threads": list(threads)})


async def _change(store: Reaching, agent: str, operation: str, given: Mapping[str, object]) -> Any:
    async with store._reach():
        return orjson.loads(await store._run(REVIEWS, _keys(agent), (operation, orjson.dumps(given))))


async def _read(store: Reaching, name: str) -> list[dict[str, Any]]:
    async with store._reach():
        kept: Any = await store._client.hgetall(name)
    return [{**orjson.loads(text), "key": key} for key, text in kept.items()]


def waiting_key(agent: str) -> str:
    """Return the key of the hash of calls that wait."""
    return key_of(agent, "review", "waiting")


def _keys(agent: str) -> tuple[str, str]:
    return waiting_key(agent), key_of(agent, "review", "labels")


def _is_sampled(kept: Mapping[str, Any]) -> bool:
    return bool(kept["reasons"] == ["sample"])


def _encoded(review: WaitingReview) -> dict[str, object]:
    return {
        "key": review.key, "call": review.call_id, "version": review.version, "arm": review.arm,
        "caller": review.caller, "thread": review.thread, "reasons": list(review.reasons), "at": round(review.at, 3),
    }  # fmt: skip


def _review(kept: Mapping[str, Any]) -> WaitingReview:
    return WaitingReview(
        kept["key"], kept["call"], kept["version"], kept["arm"], kept["caller"], kept["thread"],
        tuple(kept["reasons"]), float(kept["at"]), float(kept.get("held", 0)),
    )  # fmt: skip


def _label(kept: Mapping[str, Any]) -> ReviewLabel:
    return ReviewLabel(
        _review(kept), kept["label"], kept["comment"], kept["by"], kept["lease"],
        float(kept["labelled"]), float(kept["counts_at"]), kept["counted"],
    )  # fmt: skip


def _lease(found: Mapping[str, Any]) -> Lease:
    return Lease(
        tuple(map(_review, _listed(found["reviews"]))),
        tuple(map(_label, _listed(found["labels"]))),
        float(found["held"]),
        float(found["now"]),
    )


def _listed(found: Any) -> Iterable[Mapping[str, Any]]:
    """Return a list of Lua, of which an empty one is an object."""
    return found or ()
