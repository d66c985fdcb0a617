"""Views of reviews: what waits, what somebody has before them, and the labels. Times are RFC 3339 in UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.contents.content import CallContent
from gateway.judging.verdict import JudgeVerdict
from gateway.review.desk import OpenReview
from gateway.store.review_seam import LabelName, ReviewLabel, WaitingReview
from gateway.views import timestamp

LONGEST_COMMENT = 1_000  # characters
LABELS: tuple[LabelName, ...] = ("bad", "unsure", "good")


@dataclass(frozen=True, slots=True)
class WaitingView:
    """The number of an agent's calls that wait for a review."""

    agent: str
    waiting: int


@dataclass(frozen=True, slots=True)
class WaitingList:
    """The agents whose calls are reviewed, as far as the reader may review them."""

    agents: tuple[WaitingView, ...]


@dataclass(frozen=True, slots=True)
class AgentReviewsView:
    """The reviews of an agent: calls that wait, why, since when, and labels. `uncounted` ones are no score yet."""

    agent: str
    waiting: int
    reasons: Mapping[str, int]
    oldest_at: str | None
    labels: Mapping[str, int]
    uncounted: int


@dataclass(frozen=True, slots=True)
class LabelView:
    """A label, and the call that it is for. `counted` says what became of it as a score, None while it can be taken
    back. `judge` is the score that a judge gave the call, `judge_digest` which judge. `content` is told on request.
    """

    call_id: str
    conversation: str
    version: str
    arm: str | None
    reasons: tuple[str, ...]
    label: LabelName
    comment: str
    by: str
    at: str
    counted: str | None
    judge: float | None = None
    judge_digest: str | None = None
    content: CallContent | None = None


@dataclass(frozen=True, slots=True)
class LabelList:
    """A page of labels, the earliest first. `next` leads to those behind it."""

    labels: tuple[LabelView, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class OpenReviewView:
    """The texts that somebody has before them, in the order in which they are labelled: blind, so nothing else of the
    calls. `labels` are those given under this lease; what they are for is told once they count.
    """

    agent: str
    lease: str
    until: str | None
    cases: tuple[CallContent, ...]
    labels: tuple[LabelView, ...] = ()


def agent_reviews(agent: str, waiting: Sequence[WaitingReview], labels: Sequence[ReviewLabel]) -> AgentReviewsView:
    """Return the reviews of an agent."""
    reasons = dict[str, int]()
    for each in waiting:
        for reason in each.reasons:
            reasons[reason] = reasons.get(reason, 0) + 1
    oldest = min((each.at for each in waiting), default=None)
    return AgentReviewsView(
        agent,
        len(waiting),
        reasons,
        None if oldest is None else timestamp(oldest),
        {name: sum(each.label == name for each in labels) for name in LABELS},
        sum(not each.counted for each in labels),
    )


def label_view(
    label: ReviewLabel, content: CallContent | None = None, verdict: JudgeVerdict | None = None
) -> LabelView:
    """Return the view of a label."""
    review = label.review
    return LabelView(
        review.call_id, review.thread, review.version, review.arm or None, review.reasons, label.label, label.comment,
        label.by, timestamp(label.at), label.counted or None,
        None if verdict is None else verdict.score, None if verdict is None else verdict.judge, content,
    )  # fmt: skip


def open_review(agent: str, found: OpenReview) -> OpenReviewView:
    """Return the view of what somebody has before them."""
    until = timestamp(found.lease.until) if found.lease.until else None
    contents = tuple(case.content for case in found.cases)
    labels = tuple(_blind_view(label, found.lease.now) for label in found.lease.labels)
    return OpenReviewView(agent, found.name, until, contents, labels)


def _blind_view(label: ReviewLabel, now: float) -> LabelView:
    """Return the view of a label for whoever gave it: while they may take it back, nothing tells the version."""
    view = label_view(label)
    if label.counts_at <= now:
        return view
    return replace(view, call_id="", conversation="", version="", arm=None, reasons=())
