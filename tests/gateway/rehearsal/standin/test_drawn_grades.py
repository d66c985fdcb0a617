"""Grades that the stand-in draws for other people's packages: they fit what is asked for, and follow from it."""

import json
from typing import Any

import jsonschema
import pytest

from gateway.rehearsal.standin.chat import read_ask
from gateway.rehearsal.standin.drawn_grades import draw_grades
from gateway.rehearsal.standin.judge import JudgeBehaviour, Manner

SCHEMA = {
    "$defs": {
        "Verdict": {
            "type": "object",
            "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}, "reason": {"type": "string"}},
            "required": ["verdict", "reason"],
        }
    },
    "type": "object",
    "properties": {
        "verdicts": {"type": "array", "items": {"$ref": "#/$defs/Verdict"}, "minItems": 2},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "rating": {"type": "integer", "minimum": 1, "maximum": 5},
        "attributed": {"type": "boolean"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["verdicts", "score", "rating", "attributed", "note"],
}
FREE = {"properties": {"score": {"type": "number"}, "verdict": {"type": "string"}, "n": {"type": "integer"}}}


def drawn(question: str, schema: object = SCHEMA, **behaviour: Any) -> str:
    """The answer to a question with a schema in `response_format`."""
    shape = {"type": "json_schema", "json_schema": {"name": "grade", "schema": schema}}
    return asked(question, JudgeBehaviour(**behaviour), response_format=shape) or ""


def asked(question: str, behaviour: JudgeBehaviour, **members: object) -> str | None:
    messages = [{"role": "user", "content": question}]
    return draw_grades(read_ask(json.dumps({"model": "m", "messages": messages, **members}).encode()), behaviour)


@pytest.mark.parametrize("number", range(20))
def test_grades_fit_their_schema(number: int) -> None:
    """With references, bounds and choices."""
    jsonschema.validate(json.loads(drawn(f"question {number}")), SCHEMA)


def test_grades_follow_from_question_and_seed() -> None:
    """The same question gets the same grades; another one, or another judge, gets its own."""
    assert drawn("a") == drawn("a")
    assert len({drawn("a"), drawn("b"), drawn("a", seed=1)}) == 3


def test_a_judge_that_errs_grades_another_question() -> None:
    """By the seed: each question is always right or always wrong."""
    wrong = [drawn(f"{number}") != drawn(f"{number}", error_rate=0.3) for number in range(200)]
    assert 40 <= sum(wrong) <= 80
    assert wrong == [drawn(f"{number}") != drawn(f"{number}", error_rate=0.3) for number in range(200)]


def test_what_a_schema_leaves_out_is_known() -> None:
    """A free score has ten points, a free verdict two words, any other number is 0 or 1."""
    found = [json.loads(drawn(f"{number}", FREE)) for number in range(200)]
    assert {each["score"] for each in found} == set(range(11))
    assert {each["verdict"] for each in found} == {"yes", "no"} and {each["n"] for each in found} == {0, 1}


def test_a_schema_may_stand_in_the_prompt() -> None:
    """Beside examples, as packages write it; without any there is nothing to grade."""
    prompt = f'Input: {{"a": 1}} {{broken. Answer as JSON of the schema {json.dumps(SCHEMA)} please.'
    answer = asked(prompt, JudgeBehaviour(), response_format={"type": "json_object"})
    jsonschema.validate(json.loads(answer or ""), SCHEMA)
    assert asked("How are you?", JudgeBehaviour()) is None


@pytest.mark.parametrize(("manner", "is_json"), [("grade", True), ("garbage", False)])
def test_garbage_is_no_grade(manner: Manner, is_json: bool) -> None:
    """Words, where JSON is asked for."""
    assert drawn("a", manner=manner).startswith("{") is is_json
