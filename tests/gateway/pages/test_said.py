"""What was said, on the pages of a call and of a conversation: readable, folded, and harmless."""

import re
from dataclasses import replace

import pytest

from gateway.contents.content import CallContent, ContentMessage, ContentPart, PartKind
from gateway.pages.call_page import call_page
from gateway.pages.conversation_page import conversation_page
from gateway.pages.frame import LivePage, document
from gateway.traces.tree import tree_of
from gateway.traces.view import CallView
from tests.support.page_states import call
from tests.support.traces import made


def of(text: str, kind: PartKind = "text", answer: str = "Hi.") -> CallContent:
    said = (ContentMessage("user", (ContentPart(kind, text, "c1", "look_up"),)),)
    return CallContent(
        said, ContentMessage("assistant", (ContentPart("text", answer),)), left_out=3, cut=True, redacted=2
    )


def html(page: LivePage) -> str:
    return document(page).decode()


def shown(content: CallContent | None) -> str:
    view: CallView = replace(call(), content=content)
    return html(call_page(view))


def test_without_texts() -> None:
    """The page says nothing of what was said."""
    assert "What was said" not in shown(None)


def test_a_call() -> None:
    """Each message folds without a script; what is missing is said."""
    page = shown(of("Where is it?"))
    assert re.search(r'<details open class="message user"><summary><b>user</b>.*<pre[^>]*>Where is it.</pre>', page)
    assert "3 earlier messages were left out. What was too long was cut. Something was taken out at 2 places." in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\x1b[31m\x00", "\\u001b[31m\\u0000"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("a\tb\nc 👩‍🚀", "a\tb\nc 👩‍🚀"),
    ],
)
def test_hostile_texts(text: str, expected: str) -> None:
    """Markup is text, and what would be hidden or turn the line is seen."""
    for kind in ("text", "tool_call", "tool_result", "unread"):
        page = shown(of(text, kind, text))
        assert page.count(f">{expected}</pre>") == 2 and "<script>alert" not in page
        assert not re.search("[\\x00\\x1b\u202e\u2066]", page)


def test_a_conversation_shows_what_is_new() -> None:
    """Each message once, though its client repeats all of them; a long one is cut, and its call's page has it."""
    user = ContentMessage("user", (ContentPart("text", "first words"),))
    answer = ContentMessage("assistant", (ContentPart("text", "second words " * 1_000),))
    last = ContentMessage("user", (ContentPart("text", "third words"),))
    contents = {"1": CallContent((user,), answer), "2": CallContent((user, answer, last), None)}
    page = html(conversation_page(tree_of([made("1", 0), made("2", 2)], [], lambda caller: True, contents)))
    texts = re.findall(r"<pre[^>]*>([^<]*)</pre>", page)
    assert [text[:12] for text in texts] == ["first words", "second words", "third words"]
    assert texts[1].endswith("9,000 characters more on the call&#39;s page]")
