"""What is new in a call of a conversation whose client repeats everything each time."""

from gateway.contents.content import CallContent, ContentMessage, ContentPart, Role
from gateway.contents.fresh import fresh_messages


def message(role: Role, text: str) -> ContentMessage:
    return ContentMessage(role, (ContentPart("text", text),))


SYSTEM, HELLO, HI, MORE = (
    message("system", "Be brief."),
    message("user", "hello"),
    message("assistant", "Hi."),
    message("user", "more"),
)
FIRST = CallContent((SYSTEM, HELLO), HI)


def test_the_first_call() -> None:
    """Everything is new."""
    assert fresh_messages(FIRST, None) == (SYSTEM, HELLO)


def test_the_next_turn() -> None:
    """Neither what was asked before, nor the answer to it, which clients write in their own way."""
    assert fresh_messages(CallContent((SYSTEM, HELLO, message("assistant", "Hi"), MORE)), FIRST) == (MORE,)


def test_a_word_that_is_said_again() -> None:
    """It is new, though it reads the same."""
    again = CallContent((SYSTEM, HELLO, HI, HELLO))
    assert fresh_messages(again, FIRST) == (HELLO,)


def test_what_was_left_out_before() -> None:
    """A conversation of which only the latest messages are kept goes on where both have the same."""
    before = CallContent((SYSTEM, message("user", "1"), message("user", "2"), message("user", "3")), HI, left_out=4)
    after = CallContent((SYSTEM, message("user", "2"), message("user", "3"), HI, MORE), left_out=6)
    assert fresh_messages(after, before) == (MORE,)


def test_nothing_in_common() -> None:
    """A client that forgets: all of it is new, and so is a call without messages."""
    assert fresh_messages(CallContent((MORE,)), FIRST) == (MORE,)
    assert fresh_messages(FIRST, CallContent(())) == FIRST.messages
