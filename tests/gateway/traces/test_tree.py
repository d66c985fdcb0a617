"""The tree of a conversation: tools between calls, branches of a call, pauses, sub-agents, and the two totals."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.tool_use import RequestedTool, ReturnedTool
from gateway.traces.record import AttemptRecord, CallRecord
from gateway.traces.tree import summary_of, tree_of
from gateway.traces.view import ConversationTree, ToolView
from tests.support.traces import T0, asks, brings, made


def tree(*records: CallRecord, others: Any = ()) -> ConversationTree:
    return tree_of(records, others, lambda caller: True)


def tools(found: ConversationTree) -> list[ToolView]:
    return [step.tool for step in found.steps if step.tool is not None]


def test_a_tools_time_is_between_two_calls() -> None:
    """From the end of the answer that asked to the arrival of the request that brings its result."""
    found = tree(made("1", 0, **asks("a")), made("2", 1.25, **brings("a")))
    assert [step.kind for step in found.steps] == ["call", "tool", "call"]
    assert [(each.name, each.state, each.seconds) for each in tools(found)] == [("tool-a", "ok", 0.25)]


def test_parallel_tools_are_steps_of_their_own() -> None:
    """Each as long as its own result took, where the app sends them one by one."""
    first, error = made("1", 0, **asks("a", "b")), (ReturnedTool("b", is_error=True),)
    found = tree(first, made("2", 1.5, **brings("a")), replace(made("3", 4), returned=error))
    assert [(each.seconds, each.state) for each in tools(found)] == [(0.5, "ok"), (3.0, "error")]


def test_a_result_that_never_came() -> None:
    """The tool has no time, and the conversation goes on without it."""
    found = tree(made("1", 0, **asks("a", "b")), made("2", 1.5, **brings("b")))
    assert [(each.seconds, each.state) for each in tools(found)] == [(None, "no answer"), (0.5, "ok")]


def test_ids_that_come_again() -> None:
    """A result is that of the latest call of its id, and is brought once, however often the request is made."""
    turns = [made("1", 0, **asks("a")), made("2", 1.5, **brings("a"), **asks("a")), made("3", 3, **brings("a"))]
    assert [each.seconds for each in tools(tree(*turns, made("4", 9, **brings("a"))))] == [0.5, 0.5]


def test_results_without_ids_are_told_by_their_names() -> None:
    """Gemini's clients need send none."""
    twice: dict[str, Any] = {"requested": (RequestedTool("x", "find"), RequestedTool("y", "find"))}
    found = tree(made("1", 0, **twice), replace(made("2", 2), returned=(ReturnedTool("", "find"),)))
    assert [(each.id, each.state) for each in tools(found)] == [("x", "ok"), ("y", "no answer")]


def test_the_apps_own_time_stands_apart() -> None:
    """Between an answer that asks for nothing and the next request."""
    found = tree(made("1", 0), made("2", 3.5))
    assert [(step.kind, step.seconds) for step in found.steps] == [("call", 1.0), ("app", 2.5), ("call", 1.0)]


def test_two_totals() -> None:
    """What the answers cost, and what it cost us: with a failed attempt, a hedge that lost, and a shadow's copy."""
    failed = AttemptRecord("p/m", T0, 0.1, status=503, failure="status", cost_nano_usd=0)
    lost = AttemptRecord("q/n", T0, 0.1, failure="overtaken", cost_nano_usd=2_000_000, is_hedge=True, estimated=True)
    won = replace(made("1", 0).attempts[0], target="q/n", is_fallback=True)
    found = tree(made("1", 0, attempts=(failed, lost, won)), made("1s", 0, reason="shadow"))
    call = found.steps[0].call
    assert call is not None and [each.kind for each in call.attempts] == ["first", "hedge", "fallback"]
    assert (found.summary.answer_usd, found.summary.cost_usd, found.summary.calls) == (0.001, 0.004, 1)
    assert len(found.steps) == 1 and len(found.steps[0].copies) == 1 and found.summary.tokens.estimated


@pytest.mark.parametrize("of", ["trace", "header"])
def test_sub_agents_are_trees_of_their_own(of: str) -> None:
    """Other conversations of the trace, and calls that bear a sub-agent's id; the sums are over all."""
    own, sub = made("1", 0, **asks("a")), made("2", 1.2, sub_agent="explorer" if of == "header" else "")
    found = tree(own, sub) if of == "header" else tree(own, others=[[replace(sub, conversation="other")]])
    (beside,) = found.sub_agents
    assert (len(found.steps), len(beside.steps), found.summary.calls, beside.summary.calls) == (2, 1, 2, 1)


def test_names_are_for_those_who_gave_them() -> None:
    """Another key sees the structure alone."""
    assert summary_of([made("1", 0)], lambda caller: caller == "web").name == "chat"
    hidden = summary_of([made("1", 0)], lambda caller: False)
    assert (hidden.name, hidden.caller, hidden.id) == (None, None, "k")
