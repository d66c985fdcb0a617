"""The keys of a call's conversation: the client's id, the router's unit, tools that come back, answers, traces."""

import pytest

from gateway.calls import Outcome
from gateway.conversation import answer_name
from gateway.tool_use import AnswerEnd, RequestedTool, ReturnedTool
from gateway.traces.threads import Signs, Thread, joins_of, key_by_name, trace_keys_of
from gateway.traces.threads import conversation_of as thread_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LONG = "call_9WGyyXPBJq7tmiK8lVYC0Zdn"


def conversation_of(caller: str, call_id: str, conversation: str, named: str, agent: str = "a") -> Thread:
    outcome = Outcome(call_id, caller, agent, "v1", "split", call_id, 0, 0, None, False, 0.0)
    outcome.conversation = conversation
    return thread_of(outcome, named)


def seen(asked: str = "", returned: str = "", beginning: str = "b", answer_id: str = "") -> tuple[Thread, Signs]:
    tools = (RequestedTool(asked, "find"),) if asked else ()
    brought = (ReturnedTool(returned),) if returned else ()
    return Thread("k"), Signs(beginning, AnswerEnd("", tools, answer_id), brought)


def test_a_call_without_a_name_is_a_conversation_by_itself() -> None:
    """Its id is its name."""
    assert conversation_of("web", "c1", "", "") != conversation_of("web", "c2", "", "")


def test_the_clients_own_name_is_the_key() -> None:
    """It is shown, and found by whoever knows it; another caller's equal name is another conversation."""
    thread = conversation_of("web", "c1", "chat-7", "chat-7")
    assert thread == Thread(key_by_name("web", "chat-7"), "chat-7")
    assert thread.key != conversation_of("app", "c1", "chat-7", "chat-7").key


def test_the_routers_name_is_a_key_that_nobody_is_shown() -> None:
    """A fingerprint names the conversation as routing tells it, and is no name that a client could give."""
    thread = conversation_of("web", "c1", "", "f00d")
    assert thread == conversation_of("web", "c2", "", "f00d") and not thread.name
    assert thread.key != key_by_name("web", "f00d")


@pytest.mark.parametrize(("caller", "agent"), [("web", "b"), ("app", "a")])
def test_conversations_that_begin_alike_are_each_agents_and_callers(caller: str, agent: str) -> None:
    """Two agents, or two callers, whose conversations begin with the same words have two conversations."""
    assert conversation_of("web", "c1", "", "f00d") != conversation_of(caller, "c2", "", "f00d", agent)


def test_a_clients_name_holds_over_agents() -> None:
    """A conversation that its client names may need several agents, and is one."""
    assert conversation_of("web", "c1", "chat-7", "chat-7") == conversation_of("web", "c2", "chat-7", "chat-7", "b")


def test_a_short_id_alone_tells_nothing() -> None:
    """A call of a plain model has no beginning that is known: `call_1` must not join it with all others."""
    assert joins_of("web", *seen(asked="call_1", beginning="")) == ()


@pytest.mark.parametrize(("id_", "beginning"), [(LONG, "other"), ("call_1", "b")])
def test_a_result_joins_the_answer_that_asked(id_: str, beginning: str) -> None:
    """A long id by itself; a short one, which many providers give again, among conversations that begin alike."""
    asked = joins_of("web", *seen(asked=id_))
    assert asked and asked == joins_of("web", *seen(returned=id_, beginning=beginning))


@pytest.mark.parametrize(("caller", "beginning"), [("app", "b"), ("web", "other")])
def test_what_does_not_join(caller: str, beginning: str) -> None:
    """Another caller's equal id, and a short id in a conversation that began otherwise."""
    asked = joins_of("web", *seen(asked="call_1"))
    assert set(asked).isdisjoint(joins_of(caller, *seen(returned="call_1", beginning=beginning)))


def test_a_continued_answer_joins() -> None:
    """By its id, where the provider keeps the conversation."""
    first = joins_of("web", *seen(answer_id="resp_1"))
    thread = conversation_of("web", "c2", "", answer_name("resp_1"))
    assert thread.continues == "resp_1"
    assert first == joins_of("web", thread, Signs("b", AnswerEnd(), ()))


def test_a_trace_finds_also_named_conversations() -> None:
    """A client that sends `traceparent` says what belongs together; an odd one says nothing."""
    assert len(trace_keys_of("web", TRACE)) == 1 and trace_keys_of("web", TRACE) != trace_keys_of("app", TRACE)
    assert trace_keys_of("web", "00-7") == trace_keys_of("web", "") == ()


def test_a_named_conversation_needs_no_tools() -> None:
    """Its calls are found by the client's name alone."""
    assert joins_of("web", Thread("k", "chat-7"), seen(asked=LONG)[1]) == ()


def test_joins_are_bounded() -> None:
    """Hundreds of tool calls in one answer are a few keys."""
    tools = tuple(RequestedTool(f"{LONG}{number}", "find") for number in range(500))
    assert len(joins_of("web", Thread("k"), Signs("b", AnswerEnd("", tools), ()))) == 24
