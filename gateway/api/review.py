"""`/review`, `/review/{agent}`, `/review/{agent}/{lease}` and `/review/{agent}/labels`: people label answers.

Reviewers are whoever has the admin token, keys whose `reviews` name the agent, and anyone where no keys are configured.
What they read is logged. Forms are taken from the gateway's own pages alone.
"""

from collections.abc import Mapping, Sequence
from time import time
from typing import Any
from urllib.parse import quote, urlencode

from gateway.api.endpoint import CALLER, Handler, Services, caller_of, named, send_json
from gateway.api.forms import read_form, require_own_page
from gateway.api.query import read_query, read_time
from gateway.api.status import Status
from gateway.api.status_page import send_page, wants_html
from gateway.auth import OPEN
from gateway.call.streaming import send_answer
from gateway.calls import Caller
from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.errors import CallerError, Forbidden, NotFound
from gateway.net.asgi import Receive, Scope, Send
from gateway.review.view import (
    LABELS,
    LONGEST_COMMENT,
    AgentReviewsView,
    LabelList,
    WaitingList,
    WaitingView,
    agent_reviews,
    label_view,
    open_review,
)  # fmt: skip
from gateway.store.review_seam import Labelling, LabelName, ReviewLabel

_MOST_BYTES = 32 * 1024  # of a form: two comments, percent-encoded
_LABELS_ON_A_PAGE = 20  # with their texts, of up to 256 KB each
_LONGEST_LEASE = 64
_NOT_YOURS = "reviews need the admin token, or a key whose `reviews` name the agent"
_REFUSED: Mapping[Labelling, str] = {
    "taken": "Your time with this answer was over and somebody else has it; your label was not counted.",
    "miscounted": "There must be one label for each answer that is shown; none was counted.",
    "gone": "This answer waits no longer: its texts have ended. Your label was not counted.",
}
_TOO_LATE = "That label counts already and cannot be taken back."
_OVER = "Your time with this answer is over; it waits again."
_NONE = "none"  # in a query: there was no pair
_KINDS = ("", "single", "pair")
NOTHING_MORE: Mapping[str, str] = {}
_NO_PAIR = "No two answers that wait, one of each arm, have questions that are alike."


class ReviewRefused(CallerError):
    """A label that is not taken, or one that is not taken back."""

    status = 409
    code = "review_refused"


class ReviewEndpoint(Status):
    """An endpoint of the pages for reviewers."""

    methods: tuple[str, ...] = ("GET",)

    def authenticate(self, scope: Scope) -> Caller | None:
        if scope["method"] == "POST":
            require_own_page(named(scope))
        return super().authenticate(scope)

    def agents(self, scope: Scope) -> list[str]:
        """Return the agents whose calls are reviewed, and that the reader may review."""
        reader = scope[CALLER]
        entries = filter(None, map(self.services.table.entry, self.services.table))
        reviewed = [entry.agent.name for entry in entries if entry.agent.review is not None]
        return [name for name in reviewed if reader is None or reader is OPEN or name in reader.reviews]

    def agent(self, scope: Scope) -> str:
        """Return the agent of the path. Raises NotFound, and Forbidden where the reader may not review it."""
        name: str = scope["path_params"]["agent"]
        reader = scope[CALLER]
        if reader is not None and reader is not OPEN and name not in reader.reviews:
            raise Forbidden(_NOT_YOURS)
        if self.services.table.entry(name) is None:
            raise NotFound(f"there is no agent {name!r}")
        if name not in self.agents(scope):
            raise NotFound(f"calls of {name!r} are not reviewed; routing.yaml has no `review` for it")
        return name

    def by(self, scope: Scope) -> str:
        """Return who reviews: the name of a key, or admin."""
        return "admin" if scope[CALLER] is None else caller_of(scope).name

    def log_reading(self, scope: Scope, agent: str, calls: int) -> None:
        """Log that texts of calls were read."""
        if calls:
            self.services.log.info("contents_read", by=self.by(scope), calls=calls, agent=agent, review=True)


class ReviewList(ReviewEndpoint):
    """The agents whose answers wait."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agents = self.agents(scope)
        if scope[CALLER] is not None and caller_of(scope) is not OPEN and not caller_of(scope).reviews:
            raise Forbidden(_NOT_YOURS)
        counts = await self.services.store.count_reviews(agents) if agents else {}
        found = WaitingList(tuple(WaitingView(agent, counts[agent]) for agent in agents))
        if not wants_html(scope):
            await send_json(send, found)
            return
        from gateway.pages.review_page import reviews_page

        await send_page(send, reviews_page(found.agents))


class ReviewStart(ReviewEndpoint):
    """The page of what waits of an agent; a form gives the next answer, or a pair of two."""

    methods = ("GET", "POST")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent = self.agent(scope)
        if scope["method"] == "POST":
            form = await read_form(scope, receive, _MOST_BYTES)
            await take(self, scope, send, agent, _kind(form), "", here=f"{_segment(scope, -1)}/")
            return
        given = read_query(scope, ("after", _NONE))
        await show_start(self, scope, send, agent, given.get("after", ""), _NO_PAIR if _NONE in given else "")


class ReviewLease(ReviewEndpoint):
    """The answers of a lease; a form labels them, skips them, or takes the labels back."""

    methods = ("GET", "POST")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent, lease = self.agent(scope), scope["path_params"]["lease"][:_LONGEST_LEASE]
        if scope["method"] != "POST":
            await self._show(scope, send, agent, lease)
            return
        form = await read_form(scope, receive, _MOST_BYTES)
        desk, kind, labels = self.services.reviews.desk, _kind(form), _labels(form)
        try:
            if form.get("do") == "undo":
                if not await desk.undo(agent, lease):
                    held = (await desk.open(agent, lease)).lease
                    raise ReviewRefused(_TOO_LATE if held.labels else _OVER)
                await self._go(scope, send, agent, lease)
            elif form.get("do") == "skip":
                await desk.skip(agent, lease)
                await take(self, scope, send, agent, kind, "", here="")
            else:
                await self._label(scope, send, agent, lease, labels, kind)
        except ReviewRefused as error:
            if not wants_html(scope):
                raise
            await show_start(self, scope, send, agent, "", error.message, error.status)

    async def _label(
        self, scope: Scope, send: Send, agent: str, lease: str, given: Sequence[tuple[LabelName, str]], kind: str
    ) -> None:
        reviews = self.services.reviews
        if not given:
            raise _unlabelled(0)
        labels = [(label, await self._redact(agent, comment)) for label, comment in given]
        labelling = await reviews.desk.label(agent, lease, labels, self.by(scope))
        if labelling in _REFUSED:
            raise ReviewRefused(_REFUSED[labelling])
        reviews.counter.expect(agent, reviews.desk.timings.review_undo)
        if wants_html(scope):
            await take(self, scope, send, agent, kind, lease, here="")
        else:
            await send_json(send, open_review(agent, await reviews.desk.open(agent, lease)))

    async def _redact(self, agent: str, comment: str) -> str:
        """Return a comment without secrets, as recorded texts are: it may quote what is nowhere else."""
        entry = self.services.table.entry(agent)
        patterns = () if entry is None or entry.agent.content is None else entry.agent.content.redact
        written = CallContent((ContentMessage("user", (ContentPart("text", comment),)),))
        (clean,) = (await self.services.traces.writer.contents.redactor.redact(written, "", patterns)).texts
        return clean

    async def _go(self, scope: Scope, send: Send, agent: str, lease: str) -> None:
        if wants_html(scope):
            await send_answer(send, 303, [(b"location", lease.encode())], b"")
        else:
            await self._show(scope, send, agent, lease)

    async def _show(self, scope: Scope, send: Send, agent: str, lease: str) -> None:
        after = read_query(scope, ("after",)).get("after", "")
        found = await self.services.reviews.desk.open(agent, lease)
        if not found.cases and not found.lease.labels:
            if not wants_html(scope):
                raise NotFound(_OVER, code="unknown_lease")
            await show_start(self, scope, send, agent, after, _OVER, 404)
            return
        self.log_reading(scope, agent, len(found.cases))
        if not wants_html(scope):
            await send_json(send, open_review(agent, found))
        elif not found.cases:
            await show_start(self, scope, send, agent, lease)
        else:
            from gateway.pages.review_page import item_page

            await send_page(send, item_page(open_review(agent, found), await last_label(self, agent, after, "")))


class ReviewLabels(ReviewEndpoint):
    """The labels of an agent, the earliest first, with the texts where they are asked for."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent = self.agent(scope)
        given = read_query(scope, ("since", "label", "content", "after"))
        if given.get("label", "good") not in LABELS:
            raise CallerError(f"'label' must be one of {', '.join(LABELS)}", param="label")
        since, wanted = read_time(given, "since", time(), 0.0), given.get("label")
        labels = [each for each in await self.services.store.review_labels(agent) if each.at >= since]
        labels = _behind([each for each in labels if wanted in (None, each.label)], given.get("after", ""))
        page = labels[:_LABELS_ON_A_PAGE]
        contents: Mapping[str, Any] = {}
        keys = [each.review.key for each in page]
        verdicts = await self.services.store.find_verdicts(agent, keys) if keys else {}
        if given.get("content") == "true":
            contents = await self.services.reviews.desk.contents.of_keys(agent, keys)
            self.log_reading(scope, agent, len(contents))
        views = tuple(label_view(each, contents.get(each.review.key), verdicts.get(each.review.key)) for each in page)
        more = page[-1].review.key if len(labels) > len(page) else None
        await send_json(send, LabelList(views, more))


async def take(
    endpoint: ReviewEndpoint, scope: Scope, send: Send, agent: str, kind: str, after: str, *, here: str
) -> None:
    """Give the next answer or pair, and lead a browser to it. `here` leads from the address to the leases' own."""
    desk = endpoint.services.reviews.desk
    found = await (desk.take_pair(agent) if kind == "pair" else desk.take_next(agent))
    endpoint.log_reading(scope, agent, 0 if wants_html(scope) else len(found.cases))
    if not wants_html(scope):
        await send_json(send, open_review(agent, found))
    elif found.cases:
        await _lead(send, f"{here}{found.name}", after)
    else:
        none = {_NONE: kind} if kind == "pair" else {}
        await _lead(send, f"{'' if here else '../'}{quote(agent, safe='')}", after, none)


async def show_start(
    endpoint: ReviewEndpoint, scope: Scope, send: Send, agent: str, after: str, refusal: str = "", status: int = 200
) -> None:
    """Show what waits of an agent."""
    view = await _reviews_of(endpoint, agent)
    if not wants_html(scope):
        await send_json(send, view)
        return
    from gateway.pages.review_page import start_page

    top = "../" * (scope["path"].count("/") - 1)
    last = await last_label(endpoint, agent, after, f"{top}review/{quote(agent, safe='')}/")
    await send_page(send, start_page(view, top, last, refusal), status)


async def last_label(endpoint: ReviewEndpoint, agent: str, lease: str, here: str) -> Any:
    """Return what was labelled under a lease, and where it can be taken back. `here` leads to the leases' addresses."""
    from gateway.pages.review_page import NO_LABEL, LastLabel

    if not lease:
        return NO_LABEL
    found = await endpoint.services.store.find_lease(agent, lease[:_LONGEST_LEASE])
    is_open = any(label.counts_at > found.now for label in found.labels)
    address = f"{here}{quote(lease, safe='')}" if is_open else ""
    return LastLabel(tuple(map(label_view, found.labels)), address)


async def _reviews_of(endpoint: ReviewEndpoint, agent: str) -> AgentReviewsView:
    store = endpoint.services.store
    return agent_reviews(agent, await store.waiting_reviews(agent), await store.review_labels(agent))


async def _lead(send: Send, address: str, after: str, more: Mapping[str, str] = NOTHING_MORE) -> None:
    """Lead a browser on, so that to reload the page sends nothing again."""
    query = urlencode({**({"after": after} if after else {}), **more})
    await send_answer(send, 303, [(b"location", f"{address}?{query}".rstrip("?").encode())], b"")


def _labels(form: Mapping[str, str]) -> list[tuple[LabelName, str]]:
    """Return the labels of a form in the order of its answers, with their comments. Raises CallerError."""
    found: list[tuple[LabelName, str]] = []
    for number in range(2):
        if (written := form.get(f"label-{number}")) is None:
            break
        if (label := next((each for each in LABELS if each == written), None)) is None:
            raise _unlabelled(number)
        found.append((label, _comment(form.get(f"comment-{number}", ""))))
    return found


def _unlabelled(number: int) -> CallerError:
    said = f"Say {', '.join(LABELS[:-1])} or {LABELS[-1]} of each answer; nothing was labelled."
    return CallerError(said, param=f"label-{number}")


def _kind(form: Mapping[str, str]) -> str:
    """Return what a form asks for next: one answer, or a pair of two. Raises CallerError."""
    kind = form.get("kind", "")
    if kind not in _KINDS:
        raise CallerError("'kind' must be single or pair; nothing was taken or labelled", param="kind")
    return kind


def _comment(text: str) -> str:
    comment = text.encode(errors="backslashreplace").decode().replace("\r\n", "\n").replace("\0", "").strip()
    if len(comment) > LONGEST_COMMENT:
        raise CallerError(
            f"a comment has at most {LONGEST_COMMENT:,} characters; nothing was labelled", param="comment-0"
        )
    return comment


def _behind(labels: Sequence[ReviewLabel], key: str) -> list[ReviewLabel]:
    """Return the labels behind that of a call; all where there is none of it."""
    place = next((index for index, each in enumerate(labels, 1) if each.review.key == key), 0)
    return list(labels[place:])


def _segment(scope: Scope, index: int) -> str:
    """Return a segment of the path as the client has written it, percent-encoded."""
    raw: bytes = scope["raw_path"]
    return raw.split(b"/")[index].decode("latin-1")


def review_endpoints(services: Services) -> list[tuple[str, Handler]]:
    """Return the endpoints for reviewers by their paths."""
    return [
        ("/review", ReviewList(services)),
        ("/review/{agent}", ReviewStart(services)),
        ("/review/{agent}/labels", ReviewLabels(services)),
        ("/review/{agent}/{lease}", ReviewLease(services)),
    ]
