"""The reviewers' desk: what one person gets to read, by a lease, and the label that comes back."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from time import time

from gateway.contents.content import CallContent
from gateway.contents.reader import ContentReader
from gateway.review.likeness import ALIKE, likeness, words_of
from gateway.store.review_seam import Labelling, LabelName, Lease, WaitingReview
from gateway.store.seam import Store
from gateway.timings import USUAL, Timings

_LEASE_BYTES = 12
_MOST_TRIES = 20  # calls whose texts are gone that are passed over for one person
_MOST_OF_ARM = 30  # answers of each arm that are compared with each other


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """A call that somebody has before them, with its texts."""

    review: WaitingReview
    content: CallContent


@dataclass(frozen=True, slots=True)
class OpenReview:
    """The meaning of a lease: the cases in the order in which they are shown, and the store's word on it."""

    name: str
    lease: Lease
    cases: tuple[ReviewCase, ...] = ()


class ReviewDesk:
    """The desk of one replica. All raise StoreAway."""

    def __init__(self, store: Store, contents: ContentReader, timings: Timings = USUAL) -> None:
        self._store = store
        self.contents = contents
        self.timings = timings

    async def take_next(self, agent: str) -> OpenReview:
        """Give somebody the next call; without cases where none waits."""
        name = secrets.token_hex(_LEASE_BYTES)
        for _ in range(_MOST_TRIES):
            found = await self._open_cases(
                agent, name, await self._store.lease_reviews(agent, name, self.timings.review_lease)
            )
            if found.cases or not found.lease.reviews:
                return found
        return OpenReview(name, Lease())

    async def take_pair(self, agent: str) -> OpenReview:
        """Give somebody an answer of each arm to a like question; without cases where no two are alike enough."""
        name = secrets.token_hex(_LEASE_BYTES)
        if (pair := await self._find_pair(agent)) is None:
            return OpenReview(name, Lease())
        found = await self._open_cases(
            agent, name, await self._store.lease_reviews(agent, name, self.timings.review_lease, pair)
        )
        if len(found.cases) == 1:
            await self._store.release_reviews(agent, name, 0.0)
            return OpenReview(name, Lease())
        return found

    async def open(self, agent: str, name: str) -> OpenReview:
        """Return what a lease stands for now."""
        return await self._open_cases(agent, name, await self._store.find_lease(agent, name))

    async def label(self, agent: str, name: str, labels: Sequence[tuple[LabelName, str]], by: str) -> Labelling:
        """LabelName the cases of a lease, in the order in which they are shown."""
        lease = await self._store.find_lease(agent, name)
        keys = [review.key for review in _in_order(name, (*lease.reviews, *(each.review for each in lease.labels)))]
        if not keys:
            return "taken"
        if len(keys) != len(labels):
            return "miscounted"
        named: Mapping[str, tuple[LabelName, str]] = dict(zip(keys, labels, strict=True))
        return await self._store.label_reviews(agent, name, named, by, self.timings.review_undo)

    async def skip(self, agent: str, name: str) -> None:
        """Give the calls of a lease back, for somebody else and later."""
        await self._store.release_reviews(agent, name, self.timings.review_skip)

    async def undo(self, agent: str, name: str) -> bool:
        """Take back the labels of a lease, and have its calls again; False where they count already."""
        return await self._store.undo_labels(agent, name, self.timings.review_lease) > 0

    async def _lease(self, agent: str, name: str, keys: Sequence[str] = ()) -> OpenReview:
        seconds = self.timings.review_lease
        return await self._open_cases(agent, name, await self._store.lease_reviews(agent, name, seconds, keys))

    async def _open_cases(self, agent: str, name: str, lease: Lease) -> OpenReview:
        """Return a lease with its cases. Calls whose texts are gone wait no more."""
        contents = await self.contents.of_keys(agent, [review.key for review in lease.reviews])
        if gone := [review.key for review in lease.reviews if review.key not in contents]:
            await self._store.forget_reviews(agent, gone, ())
        kept = (review for review in _in_order(name, lease.reviews) if review.key in contents)
        return OpenReview(name, lease, tuple(ReviewCase(review, contents[review.key]) for review in kept))

    async def _find_pair(self, agent: str) -> tuple[str, str] | None:
        """Return the next call that has one of the other arm to a like question, and the one that is most like it."""
        free = [each for each in await self._store.waiting_reviews(agent) if each.arm and each.held_until <= time()]
        arms = {arm: [each for each in free if each.arm == arm][:_MOST_OF_ARM] for arm in ("stable", "canary")}
        near = arms["stable"] + arms["canary"] if all(arms.values()) else []
        contents = await self.contents.of_keys(agent, [each.key for each in near])
        words = {key: words_of(content) for key, content in contents.items()}
        for first in (each for each in free if each.key in words):
            others = [each.key for each in near if each.arm != first.arm and each.key in words]
            best = max(others, key=lambda key: likeness(words[first.key], words[key]), default=None)
            if best is not None and likeness(words[first.key], words[best]) >= ALIKE:
                return first.key, best
        return None


def _in_order(name: str, reviews: Sequence[WaitingReview]) -> list[WaitingReview]:
    """Return calls in the order in which the holder of a lease sees them: by chance, and the same each time."""
    return sorted(reviews, key=lambda review: blake2b(f"{name} {review.key}".encode()).digest())
