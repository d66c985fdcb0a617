"""Judges of an evaluation: models that grade answers, asked over the same providers and out of the same money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import JsonValue

from evals.cases import ChatMessage
from evals.checks.graders import GraderUnavailable
from evals.running.targets import TargetFailed, Targets
from evals.scorers.evaluator import Evaluator, EvaluatorReply
from routing.agents import AgentVersion
from routing.chain import Target


class EvaluatorScores(Protocol):
    """The evaluators out of process. `answer_key` is that of the answer; '' for one whose score is not kept."""

    async def evaluate(self, evaluator: Evaluator, item: Mapping[str, JsonValue], answer_key: str) -> EvaluatorReply:
        """Return the score of an item. Raises GraderUnavailable, and LimitReached."""
        ...


@dataclass(frozen=True, slots=True)
class Judges:
    """The judges. `usual` is the target, `provider/model`, of checks that name none.

    `evaluators` score out of process; None where none do. `answer_key` is that of the answer to be scored.
    """

    targets: Targets
    usual: str | None = None
    evaluators: EvaluatorScores | None = None
    answer_key: str = ""

    async def ask(
        self, target: str | None, messages: Sequence[ChatMessage], *, json_schema: Mapping[str, JsonValue] | None = None
    ) -> str:
        """Return a judge's text, at temperature 0. Raises GraderUnavailable, and LimitReached."""
        members: dict[str, Any] = {}
        if json_schema is not None:
            shape = {"name": "grade", "schema": dict(json_schema), "strict": True}
            members["response_format"] = {"type": "json_schema", "json_schema": shape}
        try:
            answer = await self.targets.ask(self.version_of(target), messages, **members)
        except TargetFailed as error:
            raise GraderUnavailable(str(error)) from None
        return answer.text

    async def embed(self, target: str | None, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return the vector of each text. Raises GraderUnavailable, and LimitReached."""
        if target is None:
            raise GraderUnavailable("no embedder is named: write provider: provider/model at the check")
        try:
            return await self.targets.embed(self._version(target, {}), texts)
        except TargetFailed as error:
            raise GraderUnavailable(str(error)) from None

    async def evaluate(self, evaluator: Evaluator, item: Mapping[str, JsonValue]) -> EvaluatorReply:
        """Return the score that an evaluator gives an item. Raises GraderUnavailable, and LimitReached."""
        if self.evaluators is None:
            raise GraderUnavailable("no evaluator runs here")
        return await self.evaluators.evaluate(evaluator, item, self.answer_key)

    def address_of(self, target: str) -> str:
        """Return where calls of a target go, with its model. Raises GraderUnavailable."""
        return self.targets.address_of(self._version(target, {}))

    def embedder_of(self, target: str) -> AgentVersion:
        """Return an embedder as a version. Raises GraderUnavailable where it cannot be asked."""
        return self._version(target, {})

    def version_of(self, target: str | None) -> AgentVersion:
        """Return the judge as a version without a prompt. Raises GraderUnavailable where it cannot be asked."""
        name = target or self.usual
        if name is None:
            raise GraderUnavailable("no judge is named: say --judge provider/model")
        return self._version(name, {"temperature": "0"})

    def _version(self, name: str, parameters: Mapping[str, str]) -> AgentVersion:
        provider, slash, model = name.partition("/")
        if provider not in self.targets.channels and ":" in name:  # promptfoo's way: openai:chat:gpt-4o
            provider, model, slash = name.split(":")[0], name.split(":")[-1], "/"
        if not slash or provider not in self.targets.channels:
            known = ", ".join(sorted(self.targets.channels))
            raise GraderUnavailable(f"the judge {name!r} has no configured provider; known: {known}")
        return AgentVersion("judge", Target(provider, model), parameters=parameters)
