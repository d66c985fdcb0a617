"""Behaviours by the facts of a request and its answer."""

import json
from dataclasses import replace

import pytest

from policies.behaviours.behaviours import (
    BEHAVIOURS,
    LONGEST_JSON,
    AnswerFacts,
    Behaviour,
    CalledTool,
    OfferedTools,
    RequestFacts,
    WantedJson,
    behaviours_of,
    closes_loop,
    has_bad_tools,
    is_off_schema,
)

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
OFFERED = OfferedTools({"look": SCHEMA, "list": None, "patch": None}, frozenset({"patch"}))
LOOK = CalledTool("look", '{"id": "7"}')
GOOD = AnswerFacts("stop", "Hello.")
WELL = RequestFacts(OFFERED)


@pytest.mark.parametrize(
    ("answer", "request_facts", "shown"),
    [
        (GOOD, WELL, set()),
        (AnswerFacts("tool_calls", tools=[LOOK]), WELL, set()),
        (AnswerFacts("tool_calls", tools=[LOOK, CalledTool("drop")]), WELL, {"bad_tools"}),
        (AnswerFacts("length", "Hel"), WELL, {"truncated"}),
        (AnswerFacts("length", is_empty=True), WELL, {"truncated", "empty"}),
        (AnswerFacts("refusal", is_refusal=True, is_empty=True), WELL, {"refusals"}),
        (AnswerFacts("stop", "I cannot.", is_refusal=True), RequestFacts(json=WantedJson()), {"refusals"}),
        (AnswerFacts("stop", "no"), RequestFacts(json=WantedJson(SCHEMA)), {"off_schema"}),
        (AnswerFacts("tool_calls", "Wait.", [LOOK]), RequestFacts(OFFERED, WantedJson(SCHEMA)), set()),
        (AnswerFacts("tool_calls", tools=[LOOK]), RequestFacts(OFFERED, earlier=[LOOK] * 2), {"tool_loops"}),
        (GOOD, RequestFacts(failed_results=2), {"tool_errors"}),
        (AnswerFacts(is_handed_over=True), WELL, {"handovers"}),
    ],
)
def test_each_behaviour_is_told_from_the_facts(
    answer: AnswerFacts, request_facts: RequestFacts, shown: set[Behaviour]
) -> None:
    """Several may be shown at once; a refusal is neither empty nor off its schema, and a tool call is no text."""
    assert behaviours_of(answer, request_facts) == shown
    assert shown <= set(BEHAVIOURS)


@pytest.mark.parametrize("arguments", ["", "{}", "[1]", "  {} "])
def test_a_tool_without_a_schema_takes_any_json(arguments: str) -> None:
    """No arguments are an empty object."""
    assert not has_bad_tools([CalledTool("list", arguments)], OFFERED)


@pytest.mark.parametrize("arguments", ['{"id": 7}', "{}", "", "7", '{"id": ', "[" * 100_000])
def test_arguments_that_a_tool_does_not_take_are_bad(arguments: str) -> None:
    """Against the schema, cut off, or nested too deeply to be read."""
    assert has_bad_tools([CalledTool("look", arguments[:LONGEST_JSON])], OFFERED)


def test_what_is_not_known_of_tools_is_not_judged() -> None:
    """A name that nobody may know, the input of a tool that takes text, and arguments too long to be read."""
    assert has_bad_tools([CalledTool("web")], OFFERED)
    assert not has_bad_tools([CalledTool("web")], replace(OFFERED, are_all=False))
    assert has_bad_tools([CalledTool("web", "{")], replace(OFFERED, are_all=False))
    assert not has_bad_tools([CalledTool("patch", "*** Begin Patch")], OFFERED)
    assert not has_bad_tools([CalledTool("look", json.dumps({"a": "x" * LONGEST_JSON}))], OFFERED)


@pytest.mark.parametrize(
    ("text", "schema", "is_off"),
    [
        ('{"id": "a"}', SCHEMA, False),
        ('{"id": 1}', SCHEMA, True),
        ("```json\n{}\n```", None, True),
        ("{}", None, False),
        ("", SCHEMA, False),
        (None, SCHEMA, False),
        ("x" * (LONGEST_JSON + 1), SCHEMA, False),
    ],
)
def test_text_is_held_to_the_json_that_was_asked_for(
    text: str | None, schema: dict[str, object] | None, is_off: bool
) -> None:
    """A fence is no JSON; no text, or too much of it, is not judged. Without a wish for JSON anything goes."""
    assert is_off_schema(text, WantedJson(schema)) is is_off
    assert not is_off_schema(text, None)


@pytest.mark.parametrize(
    ("calls", "earlier", "closes"),
    [
        ([LOOK], [LOOK, LOOK], True),
        ([LOOK], [LOOK], False),
        ([LOOK], [LOOK] * 3, False),
        ([LOOK] * 3, [], True),
        ([CalledTool("look", '{ "id":"7" }')], [LOOK, LOOK], True),
        ([CalledTool("look", '{"id": "8"}')], [LOOK, LOOK], False),
        ([CalledTool("list", '{"id": "7"}')], [LOOK, LOOK], False),
        ([CalledTool("look", "{")], [CalledTool("look", "{")] * 2, True),
        ([CalledTool("look", '{"a": 1, "b": 2}')], [CalledTool("look", '{"b": 2, "a": 1}')] * 2, True),
    ],
)
def test_a_loop_closes_once_at_the_third_equal_call(
    calls: list[CalledTool], earlier: list[CalledTool], closes: bool
) -> None:
    """Equal is the tool and the JSON of its arguments, however that is spelled."""
    assert closes_loop(calls, earlier) is closes
