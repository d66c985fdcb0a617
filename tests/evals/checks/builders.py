"""Checks, cases and answers for tests, from what a suite of promptfoo writes."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from evals.answer import CaseAnswer, TrajectoryStep
from evals.cases import Case, ChatMessage, CheckSpec, SourceLine
from evals.checks import GraderUnavailable
from evals.scorers.evaluator import Evaluator, EvaluatorReply
from gateway.formats.prompt import ToolCall

PLACE = SourceLine("suite.yaml", 1)


class NoGraders:
    """No model grades."""

    async def ask(
        self, target: str | None, messages: Sequence[ChatMessage], *, json_schema: Mapping[str, JsonValue] | None = None
    ) -> str:
        raise GraderUnavailable("no judge")

    async def embed(self, target: str | None, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise GraderUnavailable("no embedder")

    async def evaluate(self, evaluator: Evaluator, item: Mapping[str, JsonValue]) -> EvaluatorReply:
        raise GraderUnavailable("no evaluator")


def check(type_: str, value: JsonValue = None, **rest: Any) -> CheckSpec:
    """A check as a suite's reader makes it; `not-` in front of the type negates it."""
    rest = {"place": PLACE, **rest}
    return CheckSpec(type_.removeprefix("not-"), value=value, negated=type_.startswith("not-"), **rest)


def spec_of(assertion: Mapping[str, Any]) -> CheckSpec:
    """The check of an assertion of promptfoo's."""
    rest = {name: assertion[name] for name in ("threshold", "weight", "metric") if name in assertion}
    children = tuple(map(spec_of, assertion.get("assert", ())))
    return check(assertion["type"], assertion.get("value"), children=children, **rest)


def case_of(*checks: CheckSpec, **rest: Any) -> Case:
    """A case with these checks."""
    rest = {"messages": ({"role": "user", "content": "Where is my order?"},), "inputs": {}, **rest}
    return Case("case", place=PLACE, checks=checks, **rest)


def tool_call(name: str, arguments: Any = "{}") -> ToolCall:
    """A call of a tool; no arguments at all are written as an empty text."""
    return ToolCall("call", name, "" if arguments is None else arguments)


def answer_of(output: Any, *, steps: Sequence[tuple[str, Any]] = (), **rest: Any) -> CaseAnswer:
    """An answer of a text, or of the tool calls that promptfoo's provider would return."""
    way = tuple(TrajectoryStep(turn, tool_call(*step)) for turn, step in enumerate(steps, 1))
    if isinstance(output, str):
        return CaseAnswer(text=output, steps=way, **rest)
    calls = tuple(ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in output)
    return CaseAnswer(tool_calls=calls, steps=way, **rest)
