"""What is heard of calls: bounded for each call and for all together, and given back."""

from gateway import heard as heard_of
from gateway.heard import HeardCall, HeardRequest, HeldBytes
from routing.agents import ContentRules

RULES = ContentRules()


def test_bytes_are_given_back() -> None:
    """Once nobody holds what was heard any more."""
    held = HeldBytes()
    call = HeardCall(RULES, held)
    call.hear(b"hello ")
    call.hear(b"there")
    call.ask(HeardRequest({}, 0, False, 100))
    assert (held.held, bytes(call.answer)) == (111, b"hello there")
    del call
    assert held.held == 0


def test_an_answer_without_end() -> None:
    """So much of it is held, and it is said that there was more."""
    call = HeardCall(RULES, HeldBytes())
    for _ in range(10):
        call.hear(b"x" * (heard_of.MOST_ANSWER // 8))
    assert len(call.answer) == heard_of.MOST_ANSWER and call.is_cut


def test_more_calls_than_there_is_room_for() -> None:
    """What goes beyond is not held, whichever call it belongs to; the request of such a call is counted."""
    held = HeldBytes(most=1_000)
    calls = [HeardCall(RULES, held) for _ in range(5)]
    for call in calls:
        call.hear(b"x" * 300)
        call.ask(HeardRequest({}, 0, False, 50))
    assert held.held <= 1_000 and held.refused == 3
    assert [call.request is not None for call in calls] == [True, True, False, False, False]
    calls.clear()
    assert held.held == 0
