"""Questions of checks to a model that grades, as `gateway.judging.question` asks them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from evals.checks.graders import Graders
from gateway.judging.question import Grade, JudgeMessage, Ungraded, ask_for_grade, object_schema, reason_of, share

__all__ = ["Grade", "Ungraded", "ask_judge", "object_schema", "reason_of", "share"]


async def ask_judge(
    graders: Graders,
    target: str | None,
    task: str,
    parts: Mapping[str, str],
    schema: Mapping[str, JsonValue],
    read: Callable[[Mapping[str, Any]], Grade],
) -> Grade:
    """Return what `read` makes of the grader's JSON. Raises Ungraded, and GraderUnavailable."""

    async def ask(messages: Sequence[JudgeMessage], shape: Mapping[str, JsonValue]) -> str:
        return await graders.ask(target, messages, json_schema=shape)

    return await ask_for_grade(ask, task, parts, schema, read)
