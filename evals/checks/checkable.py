"""The things that a check looks at: its specification, the case, the answer, and the answer as text."""

from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from evals.answer import CaseAnswer
from evals.cases import Case, CheckSpec
from evals.checks.graders import Graders
from evals.checks.javascript import compact


@dataclass(frozen=True)
class Checkable:
    """A check with what it is applied to."""

    spec: CheckSpec
    case: Case
    answer: CaseAnswer
    graders: Graders

    @cached_property
    def text(self) -> str:
        """The answer's text. An answer of tool calls alone is their JSON, in the shape of chat completions."""
        if self.answer.text or not self.answer.tool_calls:
            return self.answer.text
        return compact(tool_calls_of(self.answer))


def tool_calls_of(answer: CaseAnswer) -> list[JsonValue]:
    """Return the last turn's tool calls, in the shape of chat completions."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.tool_calls
    ]
