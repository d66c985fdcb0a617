"""The record of a call: made of its outcome after its end, the same by whatever way the call went."""

import pytest

from gateway.calls import End, HedgeEnd
from gateway.tool_use import AnswerEnd, RequestedTool, ReturnedTool
from gateway.traces.finished import FinishedCalls
from tests.gateway.traces.calls import attempt, call, recorded
from tests.support.trials import outcome


def test_times_are_those_of_the_clock_on_the_wall() -> None:
    """Durations come from the monotonic clock, the beginning from both."""
    record = recorded(outcome("canary", attempt()), call())
    assert (record.began_at, record.seconds, record.ended_at) == (1_000_099.5, 2.0, 1_000_101.5)
    assert (record.attempts[0].began_at, record.attempts[0].seconds) == (1_000_099.5, 1.0)


def test_a_stream_ends_with_its_last_byte() -> None:
    """What the gateway does behind it is no part of the answer, nor of the tool that begins then."""
    closed = outcome("stable", attempt())
    closed.stream = True
    assert recorded(closed, call()).ended_at == 1_000_100.5


def test_the_fallback_and_the_answer_are_marked() -> None:
    """What the answer cost is one number, what it cost us another."""
    record = recorded(outcome("stable", attempt(failure="status"), attempt("q/n")), call())
    assert [(each.is_fallback, each.is_answer) for each in record.attempts] == [(False, False), (True, True)]
    assert (record.cost_nano_usd, record.answer_nano_usd) == (14, 7)


@pytest.mark.parametrize(("hedge", "answers"), [("won", [False, True]), ("lost", [True, False])])
def test_a_hedge_is_no_fallback(hedge: HedgeEnd, answers: list[bool]) -> None:
    """The attempt beside the first one, whichever of the two the client got."""
    closed = outcome("stable", attempt(failure="overtaken" if hedge == "won" else None), attempt("q/n"))
    if hedge == "lost":
        closed.attempts[1].failure = "overtaken"
    closed.hedge = hedge
    record = recorded(closed, call())
    assert [(each.is_hedge, each.is_fallback) for each in record.attempts] == [(False, False), (True, False)]
    assert [each.is_answer for each in record.attempts] == answers


def test_tools_that_were_asked_for_and_brought() -> None:
    """The names and ids alone; what they were asked and what they said is nobody's here."""
    end = AnswerEnd("tool_calls", (RequestedTool("c2", "look"),))
    body = b'{"messages": [{"role": "tool", "tool_call_id": "c1", "content": "secret"}]}'
    record = recorded(outcome("stable", attempt(end=end)), call(body=body))
    assert (record.requested, record.returned, record.finish) == (end.tools, (ReturnedTool("c1"),), "tool_calls")
    assert "secret" not in repr(record)


@pytest.mark.parametrize("end", ["failed", "refused", "escalated"])
def test_a_call_without_an_answer_asked_for_nothing(end: End) -> None:
    """Nor is any attempt the answer."""
    record = recorded(
        outcome("stable", attempt(failure="status", message="overloaded", code="c", upstream_id="req"), end=end), call()
    )
    assert record.requested == () and not any(each.is_answer for each in record.attempts)
    (tried,) = record.attempts
    assert (tried.message, tried.code, tried.upstream_id) == ("overloaded", "c", "req")


def test_a_full_queue_drops_and_counts() -> None:
    """A replica whose records nobody takes keeps a bounded number of them."""
    finished = FinishedCalls(lambda: 0.0, lambda: 0.0, most=2)
    for _ in range(5):
        finished.note(outcome("stable"), call(), ())
    assert (len(finished), finished.dropped) == (2, 3)


def test_long_names_are_not_held() -> None:
    """A client's name of a megabyte waits, and is shown, as something short."""
    finished = FinishedCalls(lambda: 0.0, lambda: 0.0)
    closed, request = outcome("stable"), call(named="x" * 1_000_000)
    closed.conversation = request.named
    finished.note(closed, request, ())
    assert len(closed.conversation) < 100 and len(request.named) < 100
    assert len(finished.take(1)[0].conversation) == 16
