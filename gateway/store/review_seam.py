"""The seam of the store for reviews: calls that wait for people, who has which, and what they said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from routing.agents import ReviewReason

LabelName = Literal["bad", "unsure", "good"]
Labelling = Literal["labelled", "repeated", "taken", "gone", "miscounted"]


@dataclass(frozen=True, slots=True)
class WaitingReview:
    """A call that waits for a review, by the call's key; `thread` is its conversation.

    `arm` is '' outside of a trial. `at` is when the call ended; until `held_until` nobody else gets it (Unix
    seconds).
    """

    key: str
    call_id: str
    version: str
    arm: str
    caller: str
    thread: str
    reasons: tuple[ReviewReason, ...]
    at: float
    held_until: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class ReviewLabel:
    """A person's label for an answer. `lease` is the one under which it was given, `by` the reviewer's key.

    Until `counts_at` it may be taken back. `counted` says what became of it as a score then; '' until it is known.
    """

    review: WaitingReview
    label: LabelName
    comment: str
    by: str
    lease: str
    at: float
    counts_at: float
    counted: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The calls that one person has before them, until `until` (0: nobody has any), and the labels given under it."""

    reviews: tuple[WaitingReview, ...] = ()
    labels: tuple[ReviewLabel, ...] = ()
    until: float = 0.0
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class ReviewBounds:
    """Limits on one agent's reviews: calls that wait, labels that are kept, and seconds for which each of both is."""

    seconds: int
    waiting: int = 300
    labels: int = 500


class ReviewStore(Protocol):
    """The store's part for reviews."""

    async def add_reviews(self, agent: str, reviews: Sequence[WaitingReview], bounds: ReviewBounds) -> None:
        """Let calls wait for a review, each once; one that was reviewed already waits no more.

        Beyond the bound the oldest go, those of the sample first.
        """

    async def count_reviews(self, agents: Sequence[str]) -> dict[str, int]:
        """Count the calls of each agent that wait, those that somebody has before them among them."""

    async def waiting_reviews(self, agent: str) -> list[WaitingReview]:
        """Return the agent's calls that wait, the next one first."""

    async def review_labels(self, agent: str) -> list[ReviewLabel]:
        """Return the labels of an agent that are kept, the earliest first."""

    async def lease_reviews(self, agent: str, lease: str, seconds: float, keys: Sequence[str] = ()) -> Lease:
        """Give the next free call to whoever holds that lease, for so long; or just these calls, all or none."""

    async def find_lease(self, agent: str, lease: str) -> Lease:
        """Return what somebody holds by that lease, and has labelled under it."""

    async def label_reviews(
        self, agent: str, lease: str, labels: Mapping[str, tuple[LabelName, str]], by: str, delay: float
    ) -> Labelling:
        """LabelName the calls of a lease, all or none; `labels` has label and comment by the calls' keys.

        A lease that has run out still holds while nobody else has got its calls. Labels count after the delay.
        """

    async def release_reviews(self, agent: str, lease: str, pause: float) -> None:
        """Give the calls of a lease back: they go to the end of the queue, and to nobody for so many seconds."""

    async def undo_labels(self, agent: str, lease: str, seconds: float) -> int:
        """Take back the labels given under a lease that do not count yet, and give its calls back to its holder."""

    async def claim_labels(self, agent: str) -> list[ReviewLabel]:
        """Return labels that are to count now, and that this replica alone counts. Those that it has not settled are
        returned again.
        """

    async def settle_labels(self, agent: str, counted: Mapping[str, str]) -> None:
        """Note what became of labels as scores, by the calls' keys."""

    async def forget_reviews(self, agent: str, keys: Sequence[str], threads: Sequence[str]) -> None:
        """Delete what there is of these calls, and of all calls of these conversations."""
