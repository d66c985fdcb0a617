"""OpenAI's `usage` object, in the dialects of the servers that copied it: the details differ, the sums do not."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.calls import Usage, tokens

# Members of the details, and members beside them, each with the server that writes it.
_CACHED = ("cached_tokens",)
_CACHED_BESIDE = (
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Moonshot
    "cache_read_input_tokens",  # LiteLLM, Databricks
)
_WRITTEN = (
    "cache_write_tokens",  # OpenAI, OpenRouter
    "cache_creation_tokens",  # LiteLLM
)
_WRITTEN_BESIDE = ("cache_creation_input_tokens",)  # LiteLLM, Databricks
_THOUGHT = ("reasoning_tokens",)
_THOUGHT_BESIDE = ("reasoning_tokens",)  # Perplexity
_Members = Mapping[str, Any]


def usage_from(value: Any) -> Usage | None:
    """Read a `usage` object; None when it is not one. Nonsense counts as 0 tokens, never as nonsense.

    Where the total exceeds prompt and completion, the rest is output that the completion leaves out: thoughts of xAI's
    and Google's models.
    """
    if not isinstance(value, dict):
        return None
    prompt, completion = tokens(value.get("prompt_tokens")), tokens(value.get("completion_tokens"))
    if prompt and "completion_tokens" in value:  # embeddings have none
        completion = max(tokens(value.get("total_tokens")) - prompt, completion)
    given, made = _object(value, "prompt_tokens_details"), _object(value, "completion_tokens_details")
    cached = min(_count(given, _CACHED) or _count(value, _CACHED_BESIDE), prompt)
    written = min(_count(given, _WRITTEN) or _count(value, _WRITTEN_BESIDE), prompt - cached)
    thought = min(_count(made, _THOUGHT) or _count(value, _THOUGHT_BESIDE), completion)
    return Usage(prompt, cached, completion, thought, cache_written=written)


def _object(value: _Members, name: str) -> _Members:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _count(members: _Members, names: Sequence[str]) -> int:
    """Return the first of these counts that is more than 0."""
    for name in names:
        if name in members and (count := tokens(members[name])):
            return count
    return 0
