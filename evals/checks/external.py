"""The check `external`: an evaluator out of process scores the answer."""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import JsonValue

from evals.cases import ChatMessage, CheckSpec
from evals.checks.checkable import Checkable
from evals.checks.graders import GraderUnavailable
from evals.checks.scores import CaseScore
from evals.scorers.evaluator import EvaluatorReply, evaluator_of, is_read
from gateway.formats.prompt import ToolCall

EXTERNAL = "external"
_TOOL_CHECKS = ("trajectory:tool-used", "trajectory:tool-args-match", "tool-call-f1")


def read_by_suite(value: JsonValue) -> str:
    """Return '' for a value that the reader of the suite has made, else what is wrong."""
    return "" if is_read(value) else "the value must name an evaluator: its name, or `run` with a command"


async def check_external(given: Checkable) -> CaseScore:
    """The evaluator's `pass` holds, and its score reaches the threshold where one is written."""
    value = given.spec.value
    if not isinstance(value, Mapping):
        raise GraderUnavailable("no evaluator is named")
    reply = await given.graders.evaluate(evaluator_of(value), item_of(given, value))
    return _score(given.spec, reply)


def item_of(given: Checkable, value: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return what an evaluator gets of an answer; its id is added when it is sent."""
    case, answer = given.case, given.answer
    context: list[JsonValue] = list(case.context)
    steps = [_called(step.call, step.result) for step in answer.steps]
    return {
        "case": case.id,
        "metric": value.get("metric"),
        "settings": dict(value.get("settings") or {}),
        "threshold": given.spec.threshold,
        "input": _question(case.messages),
        "messages": [dict(message) for message in case.messages],
        "output": given.text,
        "expected": case.expected,
        "context": context,
        "retrieval_context": context,
        "tools_called": steps or [_called(call) for call in answer.tool_calls],
        "expected_tools": _expected_tools(given),
    }


def _score(spec: CheckSpec, reply: EvaluatorReply) -> CaseScore:
    if reply.passed is None and spec.threshold is None:
        raise GraderUnavailable("the evaluator gave a score without `pass`: write a `threshold` at the check")
    score = float(bool(reply.passed)) if reply.score is None else reply.score
    passed = reply.passed is not False and (spec.threshold is None or score >= spec.threshold)
    reason = reply.reason or f"the evaluator's score is {score:.3f}"
    return CaseScore(passed != spec.negated, 1 - score if spec.negated else score, reason)


def _question(messages: tuple[ChatMessage, ...]) -> str:
    """Return the text of the user's last message."""
    content = next((each.get("content") for each in reversed(messages) if each.get("role") == "user"), "")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _called(call: ToolCall, result: str | None = None) -> JsonValue:
    try:
        arguments: JsonValue = orjson.loads(call.arguments) if call.arguments else {}
    except orjson.JSONDecodeError:
        arguments = call.arguments
    return {"name": call.name, "arguments": arguments, "output": result}


def _expected_tools(given: Checkable) -> JsonValue:
    """Return the tools that the case's metadata names as `expected_tools`, else those of its checks of tools."""
    written = given.case.metadata.get("expected_tools")
    if isinstance(written, list):
        return [{"name": each} if isinstance(each, str) else each for each in written]
    found: list[JsonValue] = []
    for spec in given.case.checks:
        if spec.type in _TOOL_CHECKS and not spec.negated:
            found += _tools_in(spec.value)
    return found


def _tools_in(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, list):
        return [tool for each in value for tool in _tools_in(each)]
    if isinstance(value, str):
        return [{"name": value}]
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return [{"name": value["name"], "arguments": value.get("args", value.get("arguments", {}))}]
    return []
