"""Which behaviours a finished call shows, in whichever format its client speaks."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.calls import Attempt, Call, Caller, Outcome
from gateway.errors import FailureKind
from gateway.formats.applied import AppliedVersion
from gateway.formats.returned_tools import returned_tools
from gateway.json_body import Document
from gateway.rollout.behaviours import shown_by
from gateway.rollout.chained_calls import MOST_CALLS, ChainedCalls
from gateway.tool_use import AnswerEnd, AnswerOutput, RequestedTool
from routing.agents import AgentVersion, Tool
from routing.chain import Target
from tests.support.trials import outcome

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
FUNCTION = {"name": "look", "parameters": SCHEMA}
USER = {"role": "user", "content": "Hi"}
ARGUMENTS = {"id": "7"}
WRITTEN = json.dumps(ARGUMENTS)
# A request of each format that offers `look`, with a history in which that was called twice, and failed the last time.
REQUESTS: dict[str, Any] = {
    "openai": {
        "tools": [{"type": "function", "function": FUNCTION}],
        "messages": [
            USER,
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "look", "arguments": WRITTEN}}]},
            {"role": "tool", "tool_call_id": "1", "content": "7"},
            {"role": "assistant", "tool_calls": [{"id": "2", "function": {"name": "look", "arguments": WRITTEN}}]},
            {"role": "tool", "tool_call_id": "2", "content": "Error: gone"},
        ],
    },
    "openai-responses": {
        "tools": [{"type": "function", **FUNCTION}],
        "input": [
            USER,
            {"type": "function_call", "call_id": "1", "name": "look", "arguments": WRITTEN},
            {"type": "function_call", "call_id": "2", "name": "look", "arguments": WRITTEN},
            {"type": "function_call_output", "call_id": "2", "output": "Error: gone"},
        ],
    },
    "anthropic": {
        "max_tokens": 9,
        "tools": [{"name": "look", "input_schema": SCHEMA}],
        "messages": [
            USER,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "look", "input": ARGUMENTS}] * 2},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": True}]},
        ],
    },
    "gemini": {
        "tools": [{"functionDeclarations": [FUNCTION]}],
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": ARGUMENTS}}] * 2},
            {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"error": "gone"}}}]},
        ],
    },
    "gemini-interactions": {
        "tools": [{"type": "function", **FUNCTION}],
        "input": [
            {"type": "function_call", "id": "1", "name": "look", "arguments": ARGUMENTS},
            {"type": "function_call", "id": "2", "name": "look", "arguments": ARGUMENTS},
            {"type": "function_result", "call_id": "2", "name": "look", "result": "", "is_error": True},
        ],
    },
}


def version(**more: Any) -> AppliedVersion:
    return AppliedVersion.of(AgentVersion("v1", Target("p", "m"), **more))


def request(form: str, body: Any) -> Call:
    document = Document.parse(json.dumps(body).encode())
    return Call("c", Caller("web", ""), "a", None, document, False, False, [], "", 0.0, format=form)


def asking(*calls: tuple[str, str], finish: str = "tool_calls", text: str | None = None) -> AnswerEnd:
    """The end of an answer that makes these tool calls."""
    tools = tuple(RequestedTool("x", name) for name, _ in calls)
    return AnswerEnd(finish, tools, output=AnswerOutput(tuple(said for _, said in calls), text))


def shown(call: Call, end: AnswerEnd, applied: AppliedVersion | None = None, **attempt: Any) -> set[str]:
    """The behaviours of an answered call whose answer ended so."""
    closed = outcome("canary", Attempt("p/m", 99.5, status=200, end=end, **attempt))
    return found(closed, call, applied)


def found(
    closed: Outcome, call: Call, applied: AppliedVersion | None = None, chained: ChainedCalls | None = None
) -> set[str]:
    returned, known = returned_tools(call.document.values), chained or ChainedCalls()
    return set(shown_by(closed, call, {"v2": applied or version()}, returned, known))


@pytest.mark.parametrize("form", REQUESTS)
def test_a_tool_that_nobody_offered_is_told_from_one_that_was(form: str) -> None:
    """In the client's own words for its tools; without any, each call is of one that nobody offered."""
    call = request(form, {**REQUESTS[form], **_opening(form)})
    assert shown(call, asking(("look", WRITTEN))) == set()
    assert shown(call, asking(("drop", "{}"))) == {"bad_tools"}
    assert shown(call, asking(("look", '{"id": 7}'))) == {"bad_tools"}
    assert shown(call, asking(("look", '{"id'))) == {"bad_tools"}
    without = {name: value for name, value in REQUESTS[form].items() if name != "tools"}
    assert shown(request(form, {**without, **_opening(form)}), asking(("look", WRITTEN))) == {"bad_tools"}


@pytest.mark.parametrize("form", REQUESTS)
def test_a_third_equal_call_is_a_loop_and_a_failed_result_a_tools_error(form: str) -> None:
    """The history that the client sent says so, in each format."""
    call = request(form, REQUESTS[form])
    assert shown(call, asking(("look", WRITTEN))) == {"tool_loops", "tool_errors"}
    assert shown(call, asking(("look", '{"id": "8"}'))) == {"tool_errors"}
    assert shown(call, AnswerEnd("stop")) == {"tool_errors"}


def _opening(form: str) -> dict[str, Any]:
    """The conversation with nothing but its first message."""
    member = next(name for name in ("contents", "input", "messages") if name in REQUESTS[form])
    return {member: "Hi" if form == "gemini-interactions" else REQUESTS[form][member][:1]}


def test_a_versions_own_tools_are_offered_too() -> None:
    """A tool of the same name as a client's holds by its own schema."""
    own = Tool("look", json.dumps({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}))
    call = request("openai", {"messages": [USER], "tools": REQUESTS["openai"]["tools"]})
    assert shown(call, asking(("look", "{}")), version(tools=(own,))) == set()
    assert shown(call, asking(("look", "{}"))) == {"bad_tools"}


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("openai", {"functions": [FUNCTION]}),
        ("openai", {"tools": "none"}),
        ("openai-responses", {"previous_response_id": "resp_1"}),
        ("openai-responses", {"prompt": {"id": "pmpt_1"}}),
        ("openai-responses", {"tools": [{"type": "mcp", "server_label": "x"}]}),
        ("anthropic", {"tools": [{"type": "bash_20250124", "name": "bash"}]}),
        ("gemini", {"cachedContent": "cachedContents/1"}),
    ],
)
def test_tools_whose_names_nobody_knows_are_not_judged(form: str, more: dict[str, Any]) -> None:
    """A provider's own tools, stored templates and contexts may bring any."""
    without = {name: value for name, value in REQUESTS[form].items() if name != "tools"}
    assert shown(request(form, {**without, **_opening(form), **more}), asking(("look", WRITTEN))) == set()


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (AnswerEnd("stop"), set()),
        (AnswerEnd("length"), {"truncated"}),
        (AnswerEnd("model_context_window_exceeded", is_empty=True), {"truncated", "empty"}),
    ],
)
def test_the_end_of_an_answer_shows_what_is_wrong_with_it(end: AnswerEnd, expected: set[str]) -> None:
    """Cut off, or without anything in it."""
    assert shown(request("openai", {"messages": [USER]}), end) == expected


def test_a_refusal_is_one_only_inside_an_answer() -> None:
    """A request that the provider rejects is none."""
    call = request("openai", {"messages": [USER]})
    assert shown(call, AnswerEnd("refusal"), rejected=True) == {"refusals"}
    refused = Attempt("p/m", 99.5, status=400, failure="status", rejected=True)
    assert found(outcome("canary", refused, end="refused"), call) == set()


@pytest.mark.parametrize("failure", ["truncated", "timeout", "overtaken"])
def test_an_answer_that_did_not_come_in_whole_shows_nothing(failure: FailureKind) -> None:
    """Nor does one that its client left; arguments that are no JSON came in whole."""
    call, end = request("openai", {"messages": [USER]}), asking(("drop", '{"i'))
    assert shown(call, end, failure=failure) == set()
    left = outcome("canary", Attempt("p/m", 99.5, end=end), end="client_gone")
    assert found(left, call) == set()
    assert shown(call, end, failure="bad_tool_arguments") == {"bad_tools"}


def test_only_the_first_attempt_is_the_versions_own() -> None:
    """What a fallback answers says nothing of it."""
    failed = Attempt("p/m", 99.5, status=500, failure="status", counts=True)
    closed = outcome("canary", failed, Attempt("q/m", 99.6, status=200, end=asking(("drop", "{}"), finish="length")))
    assert found(closed, request("openai", {"messages": [USER]})) == set()
    assert closed.attempts[1].end.output is None


def test_what_a_person_answers_is_a_handover() -> None:
    """Whether or not a target was asked before."""
    call = request("openai", {"messages": [USER]})
    assert found(outcome("canary", Attempt("p/m", 99.5, status=500, failure="status"), end="escalated"), call) == {
        "handovers"
    }
    alone = outcome("canary", end="escalated")
    alone.attempts.clear()
    assert found(alone, call) == {"handovers"}


def test_arguments_are_forgotten_with_the_examination() -> None:
    """Nothing that waits to be recorded holds what a model wrote."""
    closed = outcome("canary", Attempt("p/m", 99.5, status=200, end=asking(("look", WRITTEN))))
    found(closed, request("openai", {"messages": [USER]}))
    assert closed.attempts[0].end.output is None and closed.attempts[0].end.tools


class KeptTexts:
    """What is kept of answers, by caller and name, as one replica has it."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], str] = {}
        self.chained = ChainedCalls(self.keep, lambda caller, name: self.texts.get((caller, name)))

    def keep(self, caller: str, texts: Mapping[str, str]) -> None:
        self.texts |= {(caller, name): text for name, text in texts.items()}

    def shows(
        self, body: dict[str, Any], told: AnswerEnd, answer_id: str, form: str = "openai-responses", **more: Any
    ) -> bool:
        """Return whether the call that is answered so closes a loop."""
        closed = outcome("canary", Attempt("p/m", 99.5, status=200, end=told._replace(answer_id=answer_id)), **more)
        return "tool_loops" in found(closed, request(form, {**REQUESTS[form], **body}), chained=self.chained)


AGAIN = asking(("look", WRITTEN))
# How each format continues an answer, and what it brings then.
CONTINUED: dict[str, Callable[[str], dict[str, Any]]] = {
    "openai-responses": lambda before: {"previous_response_id": before, "input": []},
    "gemini-interactions": lambda before: {"previous_interaction_id": before, "input": []},
    "anthropic": lambda before: {"thread": {"previous_message_id": before}, "messages": []},
}


@pytest.mark.parametrize("form", CONTINUED)
def test_a_loop_is_seen_where_the_provider_keeps_the_history(form: str) -> None:
    """By the answers that were continued, whatever came between; once, and in each branch by itself."""
    kept, after = KeptTexts(), CONTINUED[form]
    begin = {**after(""), **({"thread": {}} if form == "anthropic" else {})}
    assert not kept.shows(begin, AGAIN, "a1", form)
    assert not kept.shows(after("a1"), AnswerEnd("stop"), "a2", form)
    assert not kept.shows(after("a2"), AGAIN, "a3", form)
    assert kept.shows(after("a3"), asking(("look", '{ "id":"7"}')), "a4", form)
    assert not kept.shows(after("a4"), AGAIN, "a5", form)
    assert not kept.shows(after("a3"), asking(("look", "{}")), "b4", form)
    assert not kept.shows(after("a2"), AGAIN, "c3", form) and kept.shows(after("c3"), AGAIN, "c4", form)


def test_what_is_kept_of_calls_tells_nothing_and_is_bounded() -> None:
    """Neither names nor arguments, but of nothing that nobody can continue."""
    kept = KeptTexts()
    for number in range(MOST_CALLS + 9):
        before = {"previous_response_id": f"a{number}", "input": []}
        kept.shows(before, asking(("look", json.dumps({"id": str(number)}))), f"a{number + 1}")
    assert max(map(len, kept.texts.values())) == 16 * MOST_CALLS
    assert not any("look" in text or not text.isalnum() for text in kept.texts.values())
    size = len(kept.texts)
    kept.shows({"previous_response_id": "a1", "input": [], "store": False}, AGAIN, "x")
    kept.shows({"previous_response_id": "a1", "input": []}, AGAIN, "x", end="client_gone")
    kept.shows({"previous_response_id": "a1", "input": []}, AGAIN, "x", reason="shadow")
    assert len(kept.texts) == size


def test_a_client_that_repeats_what_is_kept_makes_no_loop() -> None:
    """Each call counts once, whoever tells of it; another caller's answers are nobody else's."""
    kept = KeptTexts()
    call = {"type": "function_call", "call_id": "1", "name": "look", "arguments": WRITTEN}
    assert not kept.shows({"input": []}, AGAIN, "a1")
    assert not kept.shows({"previous_response_id": "a1", "input": [call]}, AGAIN, "a2")
    kept.texts = {("another", name): text for (_, name), text in kept.texts.items()}
    assert not kept.shows({"previous_response_id": "a2", "input": []}, AGAIN, "a3")
