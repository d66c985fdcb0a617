"""A version of an agent, made ready once for all calls."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gateway.calls import Call
from gateway.formats.parameters import settings
from gateway.formats.settings import Settings
from gateway.json_body import encode
from gateway.prompts.prompt_text import PromptTemplate, PromptText
from routing.agents import AgentVersion, Tool

_LONGEST_PATH = 200
# The field of a prompt that a version sets under another name than the provider's.
FIELDS: Mapping[str, str] = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop_sequences": "stop",
    "random_seed": "seed",
    "reasoning_effort": "effort",
    "reasoning": "effort",
    "thinking": "effort",
    "response_format": "output",
    "parallel_tool_calls": "parallel_tools",
}
OUTPUT_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
# Two spellings of one limit: a version that sets one of them means both.
ALIASES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


@dataclass(frozen=True)
class AppliedVersion:
    """Members that a version puts into requests: JSON texts for chat completions, and `settings` in no format.

    `fixed` replaces what the client sent, and takes out where it is None; `defaults` fill in what the client left out.
    `prompt` is what the version says first; its system message is `system`, and `turns` are the others, joined. Where
    that depends on a call's values, `template` is set, and `filled` makes the version as it is for one call.
    """

    version: AgentVersion
    fixed: Mapping[str, str | None]
    defaults: Mapping[str, str]
    system: str | None
    tools: tuple[Tool, ...]
    turns: str = ""
    prompt: PromptText = field(default_factory=PromptText)
    template: PromptTemplate | None = None

    @classmethod
    def of(cls, version: AgentVersion) -> "AppliedVersion":
        fixed: dict[str, str | None] = {}
        defaults: dict[str, str] = {}
        for name, text in version.parameters.items():
            if name in version.client_may_set:
                defaults[name] = text
                continue
            fixed[name] = text
            if (alias := ALIASES.get(name)) and alias not in version.parameters:
                fixed[alias] = None
        template = PromptTemplate.of(version)
        prompt = template.empty()
        unfilled = None if template.is_fixed else template
        return cls(version, fixed, defaults, _system(prompt), version.tools, _turns(prompt), prompt, unfilled)

    def for_call(self, call: Call) -> "AppliedVersion":
        """Return the version as it is for one call. Raises CallerError."""
        return self.filled(call.values) if call.operation == "generate" else self

    def filled(self, values: Mapping[str, Any] | None) -> "AppliedVersion":
        """Return the version with a call's values in its prompt. Raises CallerError."""
        if self.template is None:
            return self
        prompt = self.template.filled(values or {})
        made = replace(self, system=_system(prompt), turns=_turns(prompt), prompt=prompt, template=None)
        made.__dict__["settings"] = replace(self.settings, system=prompt.system, turns=prompt.turns)
        return made

    @property
    def filled_characters(self) -> int:
        """Return the length of a prompt that was made for one call; 0 where it is everybody's."""
        if not self.version.inputs:
            return 0
        return len(self.prompt.system or "") + sum(len(turn.content) for turn in self.prompt.turns)

    @cached_property
    def settings(self) -> Settings:
        """The version in no wire format."""
        return replace(settings(self.version), system=self.prompt.system, turns=self.prompt.turns)

    @cached_property
    def prompt_bytes(self) -> int:
        """Return the length of what the version puts before a call: prompt and tools."""
        texts = (self.system or "", self.turns, *(tool.definition for tool in self.tools))
        return sum(len(text.encode("utf-8", "replace")) for text in texts)

    @cached_property
    def output_limits(self) -> tuple[int | None, int | None]:
        """Return the longest answer in tokens that the version sets, and that it sets where a client sets none."""
        fixed, default = (
            next((int(text) for name in OUTPUT_LIMITS if (text := given.get(name)) and text.isdigit()), None)
            for given in (self.fixed, self.defaults)
        )
        return fixed, default

    @cached_property
    def asks_json(self) -> bool:
        """Return whether the version itself may ask for an answer in JSON."""
        return "json" in self.version.parameters.get("response_format", "")

    @cached_property
    def portable(self) -> "AppliedVersion":
        """The version for a provider of another wire format than its own: without what only its own provider knows."""
        native = self.settings.native or {}
        fixed = {name: text for name, text in self.fixed.items() if name not in native}
        defaults = {name: text for name, text in self.defaults.items() if name not in native}
        return replace(self, fixed=fixed, defaults=defaults)

    def blamed_by(self, param: str | None, sent: Mapping[str, Any] | None = None) -> bool:
        """Return whether an error about this request field is about something that the version alone decided.

        `sent` is the client's body, where it is known: what it leaves out the version's defaults fill in, and its own
        tools stand behind the version's.
        """
        path = path_of(param)
        field = path[0] if path else ""
        if field == "model" or field in self.fixed or FIELDS.get(field) in (self.settings.fixed or {}):
            return True
        if sent is None:
            return field == "tools" and bool(self.tools)
        if field in self.defaults and field not in sent:
            return True
        if field == "tools" and self.tools:
            return _index(path) < len(self.tools) if len(path) > 1 else not sent.get("tools")
        return self._is_about_prompt(path, sent)

    def _is_about_prompt(self, path: tuple[str, ...], sent: Mapping[str, Any]) -> bool:
        """Return whether the field is what the version says first, and no value of the client's is in it."""
        if self.version.inputs:
            return False
        if self.system is not None and path[:1] in (("system",), ("instructions",), ("system_instruction",)):
            return _index(path) == 0 if len(path) > 1 else not sent.get(path[0])
        systems = int(self.system is not None)
        if path[:1] != ("messages",) or "messages" not in sent or "system" in sent:
            return False
        return _index(path) < (systems if _leads(sent["messages"]) else systems + len(self.prompt.turns))


def _system(prompt: PromptText) -> str | None:
    return None if prompt.system is None else encode({"role": "system", "content": prompt.system})


def _turns(prompt: PromptText) -> str:
    """The turns as the JSON texts of messages, with commas between them."""
    return ",".join(encode({"role": turn.role, "content": turn.content}) for turn in prompt.turns)


def path_of(param: str | None) -> tuple[str, ...]:
    """The names and indices of `messages[0].content` and of `messages.0.content`; none for what is no path."""
    if not param or len(param) > _LONGEST_PATH:
        return ()
    return tuple(name for name in param.replace("[", ".").replace("]", "").split(".") if name)


def _leads(messages: Any) -> bool:
    """Return whether the client begins with a system message, behind which a version's turns stand."""
    first = messages[0] if isinstance(messages, list) and messages else None
    return isinstance(first, Mapping) and first.get("role") in ("system", "developer")


def _index(path: tuple[str, ...]) -> int:
    """The index behind a path's first name; one beyond all where there is none."""
    index = path[1] if len(path) > 1 else ""
    return int(index) if index.isascii() and index.isdigit() else sys.maxsize
