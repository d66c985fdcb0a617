"""The models that grade: whoever runs a suite gives checks the means to ask them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from evals.cases import ChatMessage
from evals.scorers.evaluator import Evaluator, EvaluatorReply


class GraderUnavailable(Exception):
    """A grader gave no answer. The message says why; the check is undecided."""


class Graders(Protocol):
    """Judges and embedders, asked through the gateway. `target` is the check's, None for the default."""

    async def ask(
        self, target: str | None, messages: Sequence[ChatMessage], *, json_schema: Mapping[str, JsonValue] | None = None
    ) -> str:
        """Return a judge's text, at temperature 0. Raises GraderUnavailable."""
        ...

    async def embed(self, target: str | None, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return the vector of each text. Raises GraderUnavailable."""
        ...

    async def evaluate(self, evaluator: Evaluator, item: Mapping[str, JsonValue]) -> EvaluatorReply:
        """Return the score that an evaluator out of process gives an item. Raises GraderUnavailable."""
        ...
