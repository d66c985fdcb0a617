"""A version of an agent, made ready once for all calls."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from gateway.document import encode
from gateway.providers.chat.parameters import settings
from gateway.providers.settings import Settings
from routing.agents import AgentVersion, Tool

# Two spellings of one limit: a version that sets one of them means both.
ALIASES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


@dataclass(frozen=True)
class AppliedVersion:
    """What a version puts into requests: as JSON texts for chat completions, and in no format as `settings`.

    `fixed` replaces what the client sent, and takes out where it is None; `defaults` fill in what the client left out.
    """

    version: AgentVersion
    fixed: Mapping[str, str | None]
    defaults: Mapping[str, str]
    system: str | None
    tools: tuple[Tool, ...]

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
        system = None
        if version.system_prompt is not None:
            system = encode({"role": "system", "content": version.system_prompt})
        return cls(version, fixed, defaults, system, version.tools)

    @cached_property
    def settings(self) -> Settings:
        """The version in no wire format."""
        return settings(self.version)

    @cached_property
    def portable(self) -> "AppliedVersion":
        """The version for a provider of another wire format than its own: without what only its own provider knows."""
        native = self.settings.native or {}
        fixed = {name: text for name, text in self.fixed.items() if name not in native}
        defaults = {name: text for name, text in self.defaults.items() if name not in native}
        return replace(self, fixed=fixed, defaults=defaults)

    def blamed_by(self, param: str | None) -> bool:
        """Whether an error about this request field is about something that the version alone decided."""
        field = (param or "").partition(".")[0].partition("[")[0]
        return field == "model" or field in self.fixed or (field == "tools" and bool(self.tools))
