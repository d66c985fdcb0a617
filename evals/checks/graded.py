"""Checks that a model grades, each by one question or two. Rubrics and references are the suite's.

Sources: Liu et al., EMNLP 2023 (G-Eval); OpenAI's `evals` (factuality as one of five classes, closed question
answering as yes or no); Es et al., arXiv 2309.15217 (RAGAS: relevance, recall, faithfulness as shares of statements).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from pydantic import JsonValue

from evals.checks.checkable import Checkable
from evals.checks.graders import GraderUnavailable
from evals.checks.javascript import compact, text_of
from evals.checks.judging import Grade, ask_judge, object_schema, reason_of, share
from evals.checks.scores import CaseScore
from gateway.judging.question import VERDICT_SCHEMA, read_verdict

_TEXT: Mapping[str, JsonValue] = {"type": "string"}
_TEXTS: Mapping[str, JsonValue] = {"type": "array", "items": {"type": "string"}}
_SCORE: Mapping[str, JsonValue] = {"type": "number", "minimum": 0, "maximum": 1}
_QUESTIONS = 3  # that an answer is taken to answer
_LEAST_G_EVAL = 0.7
_LEAST_SIMILARITY = 0.75
_DISAGREES = "D"


async def check_llm_rubric(given: Checkable) -> CaseScore:
    """The judge finds that the answer is as the rubric says; with a threshold also its score reaches it."""
    rubric = {"rubric": _written(given.spec.value)}
    return await _verdict(given, "Does the answer meet the rubric? Score how far it does.", rubric)


async def check_closed_qa(given: Checkable) -> CaseScore:
    """The judge finds that the answer meets the criterion."""
    criterion = {"criterion": _written(given.spec.value)}
    return await _verdict(given, "Does the answer meet the criterion? Score 1 if it does, else 0.", criterion)


async def check_goal_success(given: Checkable) -> CaseScore:
    """The judge finds that the steps and the answer reached the goal."""
    value = given.spec.value
    goal = value.get("goal") if isinstance(value, Mapping) else value
    steps = [{"tool": step.call.name, "arguments": step.call.arguments[:500]} for step in given.answer.steps]
    parts = {"goal": text_of(goal), "steps": compact([dict(step) for step in steps])}
    return await _verdict(given, "Did the steps and the answer reach the goal?", parts)


async def check_g_eval(given: Checkable) -> CaseScore:
    """The judge's score by its own steps for each criterion reaches the threshold, 0.7 by default."""
    value = given.spec.value
    criteria = [_written(part) for part in value] if isinstance(value, list) else [_written(value)]
    grades = [await _g_eval(given, criterion) for criterion in criteria]
    return _measured(given, fmean(score for score, _ in grades), _LEAST_G_EVAL, "; ".join(why for _, why in grades))


async def check_factuality(given: Checkable) -> CaseScore:
    """The judge finds that the answer's facts do not contradict the reference."""
    classes: Mapping[str, JsonValue] = {"type": "string", "enum": ["A", "B", "C", "D", "E"]}
    task = (
        "Compare the facts of the answer with those of the reference, whatever their style. Which holds? "
        "A: the answer is a subset of the reference and agrees with it. B: it is a superset and agrees. "
        "C: both have the same facts. D: they disagree. E: they differ in nothing that matters."
    )
    parts = {**_asked(given), "reference": _written(given.spec.value)}
    kind, reason = await _ask(given, task, parts, object_schema(reason=_TEXT, category=classes), _category)
    holds = kind != _DISAGREES
    passed = holds != given.spec.negated
    return CaseScore(passed, float(passed), f"{kind}: {reason}")


async def check_answer_relevance(given: Checkable) -> CaseScore:
    """The questions that the answer answers are like the one that was asked, by the cosine of their vectors."""
    task = f"Write {_QUESTIONS} different questions that the answer is an answer to."
    schema = object_schema(questions=_TEXTS)
    questions = await _ask(given, task, {"answer": given.text}, schema, _questions)
    asked, *found = await _vectors(given, [_question(given), *questions])
    value = max(fmean(cosine(asked, vector) for vector in found), 0.0)
    return _measured(given, value, 0.0, "relevance of the answer to the question")


async def check_context_recall(given: Checkable) -> CaseScore:
    """The share of the reference's statements that the context supports reaches the threshold, 0 by default."""
    reference = given.spec.value if given.spec.value is not None else given.case.expected
    parts = {"reference": _written(reference), "context": _context(given)}
    return await _grade_statements(given, "Split the reference into statements. Which does the context support?", parts)


async def check_context_faithfulness(given: Checkable) -> CaseScore:
    """The share of the answer's statements that the context supports reaches the threshold, 0 by default."""
    parts = {**_asked(given), "context": _context(given)}
    return await _grade_statements(given, "Split the answer into statements. Which does the context support?", parts)


async def check_context_relevance(given: Checkable) -> CaseScore:
    """The share of the context's sentences that the question needs reaches the threshold, 0 by default."""
    parts = {"question": _question(given), "context": _context(given)}
    return await _grade_statements(given, "Split the context into sentences. Which does the question need?", parts)


async def check_similar(given: Checkable) -> CaseScore:
    """The answer means the same as a reference, by the cosine of their vectors, 0.75 by default."""
    value = given.spec.value
    references = [text_of(part) for part in value] if isinstance(value, list) else [text_of(value)]
    ours, *others = await _vectors(given, [given.text, *references])
    best = max(cosine(ours, other) for other in others)
    return _measured(given, best, _LEAST_SIMILARITY, f"similarity {best:.3f}")


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the cosine of two vectors; 0 where one has no direction."""
    lengths = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / lengths if lengths else 0.0


async def _verdict(given: Checkable, task: str, parts: Mapping[str, str]) -> CaseScore:
    score, passes, reason = await _ask(given, task, {**parts, **_asked(given)}, VERDICT_SCHEMA, read_verdict)
    if given.spec.threshold is not None:
        passes = passes and score >= given.spec.threshold
    return CaseScore(passes != given.spec.negated, 1 - score if given.spec.negated else score, reason)


async def _g_eval(given: Checkable, criterion: str) -> tuple[float, str]:
    plan = "Write three or four short steps by which answers are graded by the criterion."
    steps = await _ask(given, plan, {"criterion": criterion}, object_schema(steps=_TEXTS), _steps)
    task = "Grade the answer by the criterion, step by step. Score 0 for the worst, 1 for the best."
    parts = {"criterion": criterion, "steps": "\n".join(steps), **_asked(given)}
    schema = object_schema(reason=_TEXT, score=_SCORE)
    return await _ask(given, task, parts, schema, lambda grade: (share(grade.get("score")), reason_of(grade)))


async def _grade_statements(given: Checkable, task: str, parts: Mapping[str, str]) -> CaseScore:
    """Return the share of statements for which the judge says yes."""
    statement = object_schema(statement=_TEXT, yes={"type": "boolean"})
    schema = object_schema(statements={"type": "array", "items": statement})
    yes = await _ask(given, f"{task} Mark those with yes.", parts, schema, _marks)
    return _measured(given, fmean(yes) if yes else 0.0, 0.0, f"{sum(yes)} of {len(yes)} statements")


async def _ask(
    given: Checkable,
    task: str,
    parts: Mapping[str, str],
    schema: Mapping[str, JsonValue],
    read: Callable[[Mapping[str, Any]], Grade],
) -> Grade:
    return await ask_judge(given.graders, given.spec.target, task, parts, schema, read)


async def _vectors(given: Checkable, texts: Sequence[str]) -> Sequence[Sequence[float]]:
    """Return the vectors of the texts. Raises GraderUnavailable, also for vectors that cannot be compared."""
    vectors = await given.graders.embed(given.spec.target, texts)
    if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1:
        raise GraderUnavailable("the embedder gave no vector of equal length for each text")
    return vectors


def _measured(given: Checkable, value: float, default: float, reason: str) -> CaseScore:
    least = default if given.spec.threshold is None else given.spec.threshold
    passed = (value >= least) != given.spec.negated
    return CaseScore(passed, 1 - value if given.spec.negated else value, reason)


def _category(grade: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(grade.get("category", "")).strip().strip("()").upper()
    if kind not in ("A", "B", "C", "D", "E"):
        raise ValueError("no category")
    return kind, reason_of(grade)


def _questions(grade: Mapping[str, Any]) -> list[str]:
    return _texts(grade.get("questions"))[:_QUESTIONS]


def _steps(grade: Mapping[str, Any]) -> list[str]:
    return _texts(grade.get("steps"))


def _texts(value: object) -> list[str]:
    found = [text for text in value if isinstance(text, str) and text.strip()] if isinstance(value, list) else []
    if not found:
        raise ValueError("no texts")
    return found


def _marks(grade: Mapping[str, Any]) -> list[bool]:
    statements = grade.get("statements")
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise ValueError("no statements")
    marks = [one.get("yes") for one in statements]
    if any(not isinstance(mark, bool) for mark in marks):
        raise ValueError("no marks")
    return [mark is True for mark in marks]


def _asked(given: Checkable) -> dict[str, str]:
    return {"question": _question(given), "answer": given.text}


def _question(given: Checkable) -> str:
    """Return the last thing that the client says."""
    said = [message.get("content") for message in given.case.messages if message.get("role") == "user"]
    return _written(said[-1]) if said else ""


def _context(given: Checkable) -> str:
    return "\n\n".join(given.case.context) or _written(given.case.inputs.get("context"))


def _written(value: JsonValue) -> str:
    return value if isinstance(value, str) else "" if value is None else compact(value)
