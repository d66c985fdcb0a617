"""Texts of calls, where they are recorded: messages that fold, complete without JavaScript, and harmless."""

from collections.abc import Iterator, Sequence

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.contents.fresh import fresh_messages
from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.pages.trace_words import call_anchor
from gateway.traces.view import CallView, ConversationTree

_SPOKEN = ("text", "reasoning", "refusal")
_WORDS = "prompt words"
_PREVIEW = 90  # characters of a message that is folded
_MOST_MESSAGES = 300  # of a conversation's page
_MOST_OF_PART = 4_000  # characters, on a conversation's page; a call's own page has all of them
_KINDS = {"reasoning": "thought", "refusal": "refused", "media": "attached", "unread": "as it came"}
# What a browser would not show, or obey: controls, and what turns the direction of a text.
_HIDDEN = [*range(9), 11, 12, *range(14, 32), *range(127, 160), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F),
           *range(0x2066, 0x206A), 0xFEFF]  # fmt: skip
_SHOWN = {code: f"\\u{code:04x}" for code in _HIDDEN}


def call_said(content: CallContent | None, title: str = "What was said", opened: int = 1) -> Markup:
    """Return the section of a call's page; nothing where no text is there, or not for this reader. Of its messages
    so many of the last are open.
    """
    if content is None:
        return NOTHING
    messages = [
        _message(each, is_open=index > len(content.messages) - opened) for index, each in enumerate(content.messages, 1)
    ]
    answer = [] if content.answer is None else [_message(content.answer, is_open=True, name=_answer_name(content))]
    return tag("section", tag("h2", title), _notes(content), tag("div", *messages, *answer, class_="said"))


def conversation_said(tree: ConversationTree, top: str) -> Markup:
    """Return the section of a conversation's page: of each call what is new in it, and its answer."""
    shown = list(_turns(tree, top))
    if not shown:
        return NOTHING
    rest = len(shown) - _MOST_MESSAGES
    more = tag("p", f"{rest:,} more messages are on the calls' pages.", class_="hint") if rest > 0 else NOTHING
    return tag("section", tag("h2", "What was said"), tag("div", *shown[:_MOST_MESSAGES], class_="said"), more)


def _turns(tree: ConversationTree, top: str) -> Iterator[Markup]:
    before: CallContent | None = None
    for step in tree.steps:
        if step.call is None or step.call.content is None:
            continue
        content = step.call.content
        yield tag("h3", "Call ", call_anchor(top, step.call.id), f" {step.call.version}", _missing(step.call))
        fresh = fresh_messages(content, before)
        for index, message in enumerate(fresh, 1):
            yield _message(message, is_open=index == len(fresh), most=_MOST_OF_PART)
        if content.answer is not None:
            yield _message(content.answer, is_open=True, name=_answer_name(content), most=_MOST_OF_PART)
        before = content
    for sub_agent in tree.sub_agents:
        said = list(_turns(sub_agent, top))
        if said:
            yield tag("h3", f"Sub-agent {sub_agent.summary.name or sub_agent.summary.id}")
            yield from said


def _missing(call: CallView) -> str:
    content = call.content
    return f", {content.left_out:,} earlier messages left out" if content is not None and content.left_out else ""


def _notes(content: CallContent) -> Markup:
    notes = []
    if content.left_out:
        notes.append(f"{content.left_out:,} earlier messages were left out.")
    if content.cut:
        notes.append("What was too long was cut.")
    if content.redacted:
        notes.append(f"Something was taken out at {content.redacted:,} place{'s' if content.redacted > 1 else ''}.")
    return tag("p", " ".join(notes), class_="hint") if notes else NOTHING


def _answer_name(content: CallContent) -> str:
    return "answer" if content.complete else "answer, not whole"


def _message(message: ContentMessage, *, is_open: bool, name: str = "", most: int | None = None) -> Markup:
    """Return a message that folds; `most` characters of each part are shown."""
    preview = " ".join(_shown(_summary(message.parts)).split())[:_PREVIEW]
    summary = tag("summary", tag("b", name or message.role), " ", tag("span", preview, class_="detail"))
    parts = joined(_part(part, most) for part in message.parts)
    return tag("details", summary, parts, open=is_open, class_=f"message {message.role}")


def _summary(parts: Sequence[ContentPart]) -> str:
    """Return the beginning of what a message says, in a line."""
    words = (
        f"{part.name}({part.text[:_PREVIEW]})" if part.kind == "tool_call" else part.text[:_PREVIEW] for part in parts
    )
    return " · ".join(words)[: 2 * _PREVIEW]


def _part(part: ContentPart, most: int | None) -> Markup:
    text = part.text
    if most is not None and len(text) > most:
        text = f"{text[:most]}… [{len(part.text) - most:,} characters more on the call's page]"
    shown = tag("pre", _shown(text), class_=_WORDS if part.kind in _SPOKEN else "prompt", tabindex="0")
    label = _label(part)
    return joined((tag("p", label, class_="hint"), shown)) if label else shown


def _label(part: ContentPart) -> str:
    if part.kind == "tool_call":
        return _shown(f"calls {part.name} {part.id}")
    if part.kind == "tool_result":
        return _shown(f"{'error' if part.error else 'result'} of {part.name or 'a tool'} {part.id}")
    return _KINDS.get(part.kind, "")


def _shown(text: str) -> str:
    """Return a text in which everything can be seen."""
    return text.translate(_SHOWN)
