"""Checks by the names of the behaviours that guardrails watch."""

from typing import Any

import pytest
from pydantic import JsonValue

from evals.answer import CaseAnswer
from evals.checks import check_problems, score_case
from evals.checks.registry import CHECKS, REFUSED
from policies.behaviours.behaviours import BEHAVIOURS
from tests.evals.checks.builders import NoGraders, answer_of, case_of, check, tool_call

LOOK_UP: Any = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "required": ["order"]}},
}
NOTE: Any = {"type": "custom", "custom": {"name": "note"}}


def test_every_behaviour_is_a_check_or_is_refused_by_name() -> None:
    """A new metric of live calls is not forgotten in suites."""
    assert {*BEHAVIOURS} <= {*CHECKS, *REFUSED}


@pytest.mark.parametrize(
    ("type_", "answer", "is_shown"),
    [
        ("bad_tools", answer_of("", steps=[("look_up", "{}")], offered=(LOOK_UP,)), True),
        ("bad_tools", answer_of("", steps=[("look_up", '{"order": 1}')], offered=(LOOK_UP,)), False),
        ("bad_tools", answer_of("", steps=[("other", "{}")], offered=(LOOK_UP,)), True),
        ("bad_tools", answer_of("", steps=[("note", "any text")], offered=(LOOK_UP, NOTE)), False),
        ("bad_tools", answer_of("", steps=[("search", "{}")], offered=({"type": "web_search"},)), False),
        ("bad_tools", CaseAnswer(tool_calls=(tool_call("other"),), offered=(LOOK_UP,)), True),
        ("tool_loops", answer_of("", steps=[("a", '{"x": 1}'), ("a", '{"x":1}'), ("a", ' {"x":1}')]), True),
        ("tool_loops", answer_of("", steps=[("a", "{}"), ("a", "{}"), ("b", "{}")]), False),
        ("truncated", answer_of("and so", finish_reason="length"), True),
        ("truncated", answer_of("done", finish_reason="stop"), False),
        ("empty", answer_of(""), True),
        ("empty", CaseAnswer(tool_calls=(tool_call("a"),)), False),
        ("empty", CaseAnswer(raw={"refusal": "No."}), False),
        ("refusals", CaseAnswer(raw={"refusal": "No."}), True),
        ("refusals", answer_of("", finish_reason="content_filter"), True),
        ("refusals", answer_of("I'm sorry, no.", finish_reason="stop"), False),
        ("off_schema", answer_of("text"), True),
        ("off_schema", answer_of("{}"), False),
    ],
)  # fmt: skip
async def test_a_check_holds_where_the_behaviour_is_shown(type_: str, answer: CaseAnswer, is_shown: bool) -> None:
    """And `not-` where it is not: that is what most suites ask for."""
    for name, passed in ((type_, is_shown), (f"not-{type_}", not is_shown)):
        assert (await score_case(case_of(check(name)), answer, NoGraders())).passed is passed


async def test_an_answer_is_held_to_the_schema_that_the_check_has() -> None:
    """By the rule of the live metric, which says yes only where that is certain."""
    schema: JsonValue = {"type": "object", "required": ["order"]}
    found = [
        await score_case(case_of(check("off_schema", schema)), answer_of(text), NoGraders())
        for text in ("{}", '{"order": 1}')
    ]
    assert [score.passed for score in found] == [True, False]


@pytest.mark.parametrize(("most", "passed"), [(3, True), (2, False), (2.5, False)])
async def test_turns_are_held_to_a_number(most: float, passed: bool) -> None:
    """By the live metric's name; without the number the suite is refused before anything runs."""
    case = case_of(check("turns", threshold=most))
    score = await score_case(case, CaseAnswer(text="done", turns=3), NoGraders())
    assert score.passed is passed and "took 3 calls" in score.named[0].reason
    (problem,) = check_problems(check("turns"))
    assert "threshold" in problem.message
