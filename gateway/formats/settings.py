"""Settings of an agent's version in no wire format, and their merge with a client's request."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.formats.prompt import Message, Prompt, Text, ToolSpec
from gateway.formats.turns import leading_systems
from routing.agents import PromptMessage

_THOUGHT = frozenset({"effort", "thinking_budget"})


@dataclass(frozen=True, slots=True)
class Settings:
    """A version's part in every request.

    `fixed` and `defaults` are fields of a `Prompt` by name: the one replaces what the client sent, the other fills in
    what it left out. `native` are parameters that no such field stands for: members of the provider's own request,
    for targets in the wire format that the version was written for. `turns` go before the client's, behind its leading
    system messages.
    """

    system: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    fixed: Mapping[str, Any] | None = None
    defaults: Mapping[str, Any] | None = None
    native: Mapping[str, Any] | None = None
    turns: tuple[PromptMessage, ...] = ()


def overlay(prompt: Prompt, settings: Settings) -> Prompt:
    """The prompt with the version applied: its parameters, its messages first, its tools before the client's."""
    changed = dict(settings.fixed or {})
    if not _THOUGHT.isdisjoint(changed):
        changed["may_not_think"] = False  # what the version sets is more than a client's wish
    for name, value in (settings.defaults or {}).items():
        if getattr(prompt, name) in (None, ()):
            changed[name] = value
    if settings.system is not None or settings.turns:
        changed["messages"] = _messages(prompt, settings)
    if settings.tools:
        own = {tool.name for tool in settings.tools}
        changed["tools"] = settings.tools + tuple(tool for tool in prompt.tools if tool.name not in own)
    return replace(prompt, **changed)


def _messages(prompt: Prompt, settings: Settings) -> tuple[Message, ...]:
    system = () if settings.system is None else (Message("system", (Text(settings.system),)),)
    if not settings.turns:
        return (*system, *prompt.messages)
    leading = len(leading_systems(prompt.messages))
    turns = (Message(turn.role, (Text(turn.content),)) for turn in settings.turns)
    return (*system, *prompt.messages[:leading], *turns, *prompt.messages[leading:])
