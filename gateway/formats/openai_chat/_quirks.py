"""Differences between chat-completions providers, as data: by the API's host, and by the model's name.

Concerns requests that are written anew for a client of another wire format. Of those that go through: thoughts in a
conversation's history, and what the host is known to refuse. A host's line wins over a model's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

OPENAI_HINTS = frozenset(
    {
        "user", "safety_identifier", "metadata", "store", "service_tier", "prediction",
        "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quirks:
    """Peculiarities of a provider's requests.

    `limit` and `seed` are what it calls those; `effort` is where it wants the effort, '' where its model cannot think;
    `thoughts` is where it wants the thoughts of earlier turns, '' where it wants none, and `refuses_thoughts` says that
    it is known to refuse a call that has some. `top_k`, `cache` and
    `signatures` say whether it knows that parameter, marks for its cache and the signatures of function calls. `hints`
    are those that it takes. `one_system` says that it may refuse more than one system message, or a later one,
    `asks_usage` that a stream may be asked for its usage, `is_closed` that it refuses members that it does not know,
    `one_text` that it refuses a message that is a list of texts.
    """

    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: Literal["seed", "random_seed"] = "seed"
    effort: Literal["reasoning_effort", "reasoning", ""] = "reasoning_effort"
    thoughts: Literal["reasoning_content", "reasoning_details", ""] = ""
    refuses_thoughts: bool = False
    top_k: bool = False
    cache: bool = False
    signatures: bool = False
    hints: frozenset[str] = frozenset({"user"})
    one_system: bool = True
    asks_usage: bool = True
    is_closed: bool = False
    one_text: bool = False

    @property
    def renames(self) -> tuple[tuple[str, str], ...]:
        """Return other names of members, which the provider is known to refuse, each with the one that it takes."""
        return (("max_completion_tokens", "max_tokens"), ("seed", self.seed)) if self.is_closed else ()


# The longest prefix of the model's name, without the vendor before a slash, wins.
MODELS: Mapping[str, Mapping[str, Any]] = {
    "gpt-3.5": {"effort": ""},
    "gpt-4": {"effort": ""},
    "chatgpt-": {"effort": ""},
    "gpt-5": {"limit": "max_completion_tokens"},
    "gpt-5-chat": {"limit": "max_completion_tokens", "effort": ""},
    "o1": {"limit": "max_completion_tokens"},
    "o3": {"limit": "max_completion_tokens"},
    "o4": {"limit": "max_completion_tokens"},
}

_AZURE: Mapping[str, Any] = {"limit": "max_completion_tokens", "refuses_thoughts": True, "one_system": False}
_OPENAI: Mapping[str, Any] = {**_AZURE, "hints": OPENAI_HINTS}
# A host's name, or the end of one from a dot on.
HOSTS: Mapping[str, Mapping[str, Any]] = {
    "api.openai.com": _OPENAI,
    ".api.openai.com": _OPENAI,  # its regions
    ".openai.azure.com": _AZURE,
    ".cognitiveservices.azure.com": _AZURE,
    "openrouter.ai": {
        "limit": "max_tokens",
        "effort": "reasoning",
        "thoughts": "reasoning_details",
        "top_k": True,
        "cache": True,
    },
    "generativelanguage.googleapis.com": {"signatures": True},
    "api.deepseek.com": {"thoughts": "reasoning_content", "one_text": True},
    "api.moonshot.ai": {"thoughts": "reasoning_content"},
    # Tells the usage of every stream, and has refused to be asked for it (422).
    "api.mistral.ai": {
        "limit": "max_tokens",
        "seed": "random_seed",
        "hints": frozenset(),
        "refuses_thoughts": True,
        "asks_usage": False,
        "is_closed": True,
    },
    "api.groq.com": {"refuses_thoughts": True},
    "api.cerebras.ai": {"refuses_thoughts": True},
    "api.together.xyz": {"top_k": True},
    "api.fireworks.ai": {"top_k": True},
}


@lru_cache(maxsize=256)  # the targets of a configuration
def quirks(host: str, model: str) -> Quirks:
    """Return how a model at a host must be asked; '' stands for an unknown host."""
    name = model.rpartition("/")[2]
    prefixes = [prefix for prefix in MODELS if name.startswith(prefix)]
    of_model = MODELS[max(prefixes, key=len)] if prefixes else {}
    of_host = next((changes for known, changes in HOSTS.items() if _is(host.lower(), known)), {})
    return replace(Quirks(), **{**of_model, **of_host})


def _is(host: str, known: str) -> bool:
    return host.endswith(known) if known.startswith(".") else host == known
