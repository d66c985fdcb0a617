"""A version's words before a client's: the template, and the finished text of one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.prompts.filling import Filling
from gateway.prompts.inputs import checked
from gateway.prompts.language import Body, parse
from routing.agents import AgentVersion, PromptMessage

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class PromptText:
    """A finished prompt: all of its system messages as one text, and the turns that follow them."""

    system: str | None = None
    turns: tuple[PromptMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A version's prompt, parsed."""

    version: AgentVersion
    systems: tuple[Body, ...]
    turns: tuple[tuple[PromptMessage, Body], ...]

    @classmethod
    def of(cls, version: AgentVersion) -> "PromptTemplate":
        """Return a version's prompt, parsed. Raises TemplateError, as no version does that was loaded."""
        messages = version.messages
        systems = [message.content for message in messages if message.role == "system"]
        if version.system_prompt is not None:
            systems.insert(0, version.system_prompt)
        bodies = tuple(parse(text, version.inputs) for text in systems)
        turns = [message for message in messages if message.role != "system"]
        return cls(version, bodies, tuple((turn, parse(turn.content, version.inputs)) for turn in turns))

    @property
    def is_fixed(self) -> bool:
        """Return whether calls have no part in the text."""
        return not self.version.inputs

    def filled(self, values: Mapping[str, Any]) -> PromptText:
        """Return the text with a call's values. Raises CallerError."""
        return self._text(Filling(checked(self.version.inputs, values)))

    def empty(self) -> PromptText:
        """Return the text without any values."""
        return self._text(Filling({}))

    def _text(self, filling: Filling) -> PromptText:
        systems = [filling.text(body) for body in self.systems]
        turns = tuple(PromptMessage(turn.role, filling.text(body)) for turn, body in self.turns)
        return PromptText(_joined(systems), turns)


def _joined(systems: list[str]) -> str | None:
    if len(systems) > 1:
        systems = [_BETWEEN.join(text for text in systems if text)]
    return systems[0] if systems else None
