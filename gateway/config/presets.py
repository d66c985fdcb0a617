"""Presets of providers: address, wire format and key variable of well-known APIs, by the name that people call them.

A provider that is called like a preset and names no `api`, or that names a `preset`, gets what it does not say itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gateway.calls import FormatName
from gateway.config.nodes import Node
from gateway.config.problems import Problem, listed, quoted, unknown
from gateway.formats.anthropic import NAME as MESSAGES
from gateway.formats.bedrock import NAME as BEDROCK
from gateway.formats.gemini import NAME as GEMINI
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.registry import PROVIDERS


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings that a provider gets. `key` is the environment variable of its key, None where it asks for none.

    `base_url` is None for the format's own address. `model` is an example that the API has had in November 2026.
    """

    api: FormatName
    key: str | None
    model: str
    base_url: str | None = None
    key_header: str | None = None

    @property
    def entries(self) -> Mapping[str, str]:
        """The keys of a provider that the preset fills in."""
        key = None if self.key is None else f"${{{self.key}}}"
        said = {"api": self.api, "base_url": self.base_url, "api_key": key, "key_header": self.key_header}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def needs_region(self) -> bool:
        """Return whether a provider has to write its `region` as well."""
        return PROVIDERS[self.api].facts.needs_region

    @property
    def address(self) -> str:
        """Return the address of the API, as it would be written."""
        return self.base_url or PROVIDERS[self.api].facts.base_url


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "openai": Preset(CHAT, "OPENAI_API_KEY", "gpt-5.4-mini"),
        "anthropic": Preset(MESSAGES, "ANTHROPIC_API_KEY", "claude-sonnet-4-6"),
        "gemini": Preset(GEMINI, "GEMINI_API_KEY", "gemini-3.5-flash"),
        # The resource's address, as Azure's portal and SDKs name it; the model is the name of a deployment.
        "azure": Preset(CHAT, "AZURE_OPENAI_API_KEY", "gpt-5.4-mini", "${AZURE_OPENAI_ENDPOINT}/openai/v1", "api-key"),
        "bedrock": Preset(BEDROCK, None, "anthropic.claude-sonnet-4-6"),  # AWS credentials sign; needs a `region`
        "ollama": Preset(CHAT, None, "llama3.2", "http://127.0.0.1:11434/v1"),
        "vllm": Preset(CHAT, None, "the-model-it-serves", "http://127.0.0.1:8000/v1"),
        "openrouter": Preset(CHAT, "OPENROUTER_API_KEY", "openai/gpt-5.4-mini", "https://openrouter.ai/api/v1"),
        "groq": Preset(CHAT, "GROQ_API_KEY", "openai/gpt-oss-20b", "https://api.groq.com/openai/v1"),
        "mistral": Preset(CHAT, "MISTRAL_API_KEY", "mistral-small-latest", "https://api.mistral.ai/v1"),
        "deepseek": Preset(CHAT, "DEEPSEEK_API_KEY", "deepseek-chat", "https://api.deepseek.com/v1"),
        "xai": Preset(CHAT, "XAI_API_KEY", "grok-4.3", "https://api.x.ai/v1"),
    }
)


def apply_presets(root: Node) -> tuple[Node, list[Problem]]:
    """Return `gateway.yaml` with each provider filled in from its preset, and what is wrong with naming one."""
    providers = root.get("providers")
    if providers is None or not isinstance(providers.value, Mapping):
        return root, []
    filled = {name: _filled(name, provider) for name, provider in providers.value.items()}
    problems = [problem for name, provider in providers.value.items() for problem in _problems(name, provider)]
    return replace(root, value={**root.entries, "providers": replace(providers, value=filled)}), problems


def _filled(name: str, provider: Node) -> Node:
    preset = _named(name, provider)
    if not isinstance(provider.value, Mapping):
        return provider
    if preset is None:  # a name that is no preset is one problem; the `api` that it does not bring is not a second
        added = {"api": next(iter(PROVIDERS))} if provider.get("preset") is not None else {}
    else:
        added = {"preset": preset, **PRESETS[preset].entries}
    at_its_line = {key: replace(provider, value=text) for key, text in added.items()}
    return replace(provider, value={**at_its_line, **provider.value})


def _named(name: str, provider: Node) -> str | None:
    """Return the name of the provider's preset, None where it has none."""
    said = provider.get("preset")
    if said is not None:
        return said.text if said.text in PRESETS else None
    return name if name in PRESETS and provider.get("api") is None else None


def _problems(name: str, provider: Node) -> Iterator[Problem]:
    path = ("providers", name)
    if provider.value is None and name in PRESETS:
        yield provider.problem(path, "has no value; write {} to take everything from its preset")
    if not isinstance(provider.value, Mapping):
        return
    api, preset = provider.get("api"), provider.get("preset")
    if preset is not None and preset.text is not None and preset.text not in PRESETS:
        yield preset.problem((*path, "preset"), unknown("preset", preset.text, PRESETS))
    elif api is None and _named(name, provider) is None:
        formats = listed(PROVIDERS)
        yield provider.problem(
            (*path, "api"), f"is missing: write one of {formats}; or `preset`: one of {listed(PRESETS)}"
        )
    elif api is not None and api.text is not None and api.text in PRESETS and api.text not in PROVIDERS:
        use = f"write `preset: {api.text}`, or `api: {PRESETS[api.text].api}` with its base_url"
        yield api.problem((*path, "api"), f"{quoted(api.text)} is a preset, not a wire format: {use}")
