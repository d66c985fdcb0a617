"""The pages on which people review calls: what waits, and one answer, or one of each arm, to be labelled.

Until a label counts nothing on the page says which version or arm gave the answer, or why it was chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from gateway.contents.content import CallContent
from gateway.pages.frame import LivePage
from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.pages.moments import moment
from gateway.pages.said import call_said
from gateway.review.view import LABELS, LONGEST_COMMENT, AgentReviewsView, LabelView, OpenReviewView, WaitingView

_SCRIPT = "review.js"
_NAMES = ("A", "B")
_HINT = "Keys: 1 bad, 2 unsure, 3 good, c comment (Esc leaves it), s skip, u take the last label back."


@dataclass(frozen=True, slots=True)
class LastLabel:
    """The labels that the same person gave last, and the address at which they can be taken back, or ''."""

    labels: tuple[LabelView, ...] = ()
    address: str = ""


NO_LABEL = LastLabel()


def reviews_page(agents: Sequence[WaitingView]) -> LivePage:
    """Return the page of all agents that are reviewed."""
    rows = [
        tag("tr", tag("th", tag("a", each.agent, href=f"review/{quote(each.agent, safe='')}"), scope="row"),
            tag("td", f"{each.waiting:,}"))
        for each in sorted(agents, key=lambda each: (-each.waiting, each.agent))
    ]  # fmt: skip
    head = tag("tr", tag("th", "agent", scope="col"), tag("th", "answers that wait", scope="col"))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    listed = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Agents")
    nothing = tag("p", "No agent that you may review has `review` in routing.yaml.", class_="empty")
    return _page("Review", "Review", "", (tag("h1", "Answers to review"), listed if rows else nothing))


def start_page(view: AgentReviewsView, top: str, last: LastLabel = NO_LABEL, refusal: str = "") -> LivePage:
    """Return the page of an agent's reviews. `refusal` says why the last form was not carried out."""
    address = f"{top}review/{quote(view.agent, safe='')}"
    forms = tag(
        "div", _take(address, "single", "Review the next answer"), _take(address, "pair", "Compare two answers"),
        class_="actions",
    )  # fmt: skip
    waiting = f"{view.waiting:,} answer{'' if view.waiting == 1 else 's'} of {view.agent} to review"
    labels = ", ".join(f"{view.labels[label]:,} {label}" for label in LABELS)
    facts = tag(
        "dl",
        *_fact("The oldest", moment(view.oldest_at) if view.oldest_at else "–"),
        *_fact("Labels that are kept", labels),
        *_fact("Labels that count within a minute", f"{view.uncounted:,}"),
        class_="facts",
    )
    head = tag("section", tag("h1", waiting), facts, class_="now")
    parts = (_refusal(refusal), _last(last), head, forms, tag("p", _HINT, class_="hint"))
    return _page(view.agent, waiting, top, parts, (("Review", f"{top}review"),))


def item_page(view: OpenReviewView, last: LastLabel = NO_LABEL, note: str = "") -> LivePage:
    """Return the page of what a person has before them."""
    top, is_pair = "../../", len(view.cases) > 1
    title = "How good are these two answers?" if is_pair else "How good is this answer?"
    said = [
        call_said(each, f"Conversation {_NAMES[index]}" if is_pair else "What was said", _since_question(each))
        for index, each in enumerate(view.cases)
    ]
    until = tag("p", "Yours until ", moment(view.until), ". ", _HINT, class_="hint")
    kind = tag("input", type="hidden", name="kind", value="pair" if is_pair else "single")
    fields = joined(map(_choice, range(len(view.cases)))) if is_pair else _labels()
    form = tag("form", kind, fields, method="post", action=view.lease, id="review", autocomplete="off")
    parts = (
        _refusal(note),
        _last(last),
        tag("h1", title),
        until,
        tag("div", *said, class_="pair" if is_pair else None),
    )
    crumbs = (("Review", f"{top}review"), (view.agent, f"../{quote(view.agent, safe='')}"))
    return _page("answer", title, top, (*parts, form), crumbs)


def _since_question(content: CallContent) -> int:
    """Return how many of the last messages there are from the last question on."""
    asked = [index for index, each in enumerate(content.messages) if each.role == "user" and each.text]
    return len(content.messages) - asked[-1] if asked else 1


def _page(
    name: str, title: str, top: str, parts: tuple[Markup, ...], crumbs: tuple[tuple[str, str], ...] = ()
) -> LivePage:
    return LivePage(
        name=name, title=title, level="quiet", top=top, events=None, parts=parts, live={},
        crumbs=(("Serinus", f"{top}status"), *crumbs), script=_SCRIPT,
    )  # fmt: skip


def _fact(name: str, value: str) -> Iterator[Markup]:
    yield tag("div", tag("dt", name), tag("dd", value))


def _take(address: str, kind: str, words: str) -> Markup:
    hidden = tag("input", type="hidden", name="kind", value=kind)
    return tag("form", hidden, tag("button", words), method="post", action=address)


def _refusal(sentence: str) -> Markup:
    return tag("p", sentence, class_="refusal", role="status") if sentence else NOTHING


def _last(last: LastLabel) -> Markup:
    """Return what became of the labels before, with a button to take them back while they do not count."""
    if not last.labels:
        return NOTHING
    said = "; ".join(_labelled(label, is_blind=bool(last.address)) for label in last.labels)
    undo = NOTHING
    if last.address:
        button = tag("button", tag("kbd", "u"), " Take it back", name="do", value="undo", data_key="u")
        undo = tag("form", button, method="post", action=last.address, class_="undo")
    return tag("div", tag("p", f"Labelled: {said}.", role="status"), undo, class_="done last")


def _labelled(label: LabelView, *, is_blind: bool) -> str:
    """Return a label in words. The version is told once it can be taken back no more, or a second try would know it."""
    if is_blind:
        return label.label
    return f"{label.version}{f' ({label.arm})' if label.arm else ''} {label.label}"


def _labels() -> Markup:
    """Return the buttons for one answer."""
    buttons = [
        tag("button", tag("kbd", str(number)), f" {label}", name="label-0", value=label, data_key=number, class_=label)
        for number, label in enumerate(LABELS, 1)
    ]
    return tag("div", _comment(0), tag("div", *buttons, _skip(), class_="actions"), class_="labelling")


def _choice(index: int) -> Markup:
    """Return the choices for one answer of a pair; behind the last the button that sends both."""
    name = _NAMES[index]
    choices = [
        tag("label", tag("input", type="radio", name=f"label-{index}", value=label, required=True, data_key=number),
            f" {label}")
        for number, label in enumerate(LABELS, 1)
    ]  # fmt: skip
    group = tag("fieldset", tag("legend", f"Answer {name}"), tag("div", *choices, class_="actions"), _comment(index))
    if index + 1 < len(_NAMES):
        return group
    save = tag("button", "Save both", name="do", value="label")
    return joined((group, tag("div", save, _skip(), class_="actions")))


def _comment(index: int) -> Markup:
    label = "Comment" if index == 0 else f"Comment on {_NAMES[index]}"
    return tag("label", f"{label} ", tag("textarea", name=f"comment-{index}", rows=2, maxlength=LONGEST_COMMENT))


def _skip() -> Markup:
    return tag("button", tag("kbd", "s"), " skip", name="do", value="skip", formnovalidate=True, data_key="s")
