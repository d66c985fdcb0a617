"""OpenAI's `usage` object, in the dialects of the servers that copied it: the details differ, the sums do not."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.calls import MediaTokens, Usage, tokens
from gateway.formats.tiers import with_tier

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
_AUDIO, _IMAGE = ("audio_tokens",), ("image_tokens",)
_THOUGHT = ("reasoning_tokens",)
_THOUGHT_BESIDE = ("reasoning_tokens",)  # Perplexity
_BESIDE = frozenset({*_CACHED_BESIDE, *_WRITTEN_BESIDE, *_THOUGHT_BESIDE})


def usage_in(answer: Mapping[str, Any]) -> Usage | None:
    """Read the usage of an answer or a chunk, and its service tier."""
    usage, tier = usage_from(answer.get("usage")), answer.get("service_tier")
    return usage if usage is None or tier is None or tier == "default" else with_tier(usage, tier)


def usage_from(value: Any) -> Usage | None:
    """Read a `usage` object; None when it is not one. Nonsense counts as 0 tokens, never as nonsense.

    Where the total exceeds prompt and completion, the rest is output that the completion leaves out: thoughts of xAI's
    and Google's models.
    """
    if not isinstance(value, dict):
        return None
    prompt, completion = tokens(value.get("prompt_tokens")), tokens(value.get("completion_tokens"))
    total = value.get("total_tokens")
    if total != prompt + completion and prompt and "completion_tokens" in value:  # embeddings have none
        completion = max(tokens(total) - prompt, completion)
    given, made = _details(value.get("prompt_tokens_details")), _details(value.get("completion_tokens_details"))
    if given is None and made is None and _BESIDE.isdisjoint(value):  # as a rule
        return Usage(prompt, 0, completion)
    cached, thought = _count(given, _CACHED, prompt), _count(made, _THOUGHT, completion)
    written = _count(given, _WRITTEN, prompt - cached)
    if not _BESIDE.isdisjoint(value):  # few servers write them
        cached = cached or _count(value, _CACHED_BESIDE, prompt)
        written = min(written or _count(value, _WRITTEN_BESIDE, prompt), prompt - cached)
        thought = thought or _count(value, _THOUGHT_BESIDE, completion)
    if _has_media(given) or _has_media(made):
        media = _media(given, made, prompt, completion)
        return Usage(prompt, cached, completion, thought, False, written, media=media)
    return Usage(prompt, cached, completion, thought, False, written)


def _details(value: Any) -> Mapping[str, Any] | None:
    """Return the details of a count; None where they are none, or where all of them are 0."""
    return value if isinstance(value, dict) and any(value.values()) else None


def _has_media(details: Mapping[str, Any] | None) -> bool:
    return details is not None and bool(details.get("audio_tokens") or details.get("image_tokens"))


def _media(
    given: Mapping[str, Any] | None, made: Mapping[str, Any] | None, prompt: int, completion: int
) -> MediaTokens:
    """Tokens of recordings and images, of which a cache may have held some."""
    kept = None if given is None else given.get("cached_tokens_details")
    audio, made_audio = _count(given, _AUDIO, prompt), _count(made, _AUDIO, completion)
    image = _count(given, _IMAGE, prompt - audio)
    return MediaTokens(
        input_audio=audio,
        input_image=image,
        cached_audio=_count(kept, _AUDIO, audio),
        cached_image=_count(kept, _IMAGE, image),
        output_audio=made_audio,
        output_image=_count(made, _IMAGE, completion - made_audio),
    )


def _count(members: Any, names: Sequence[str], most: int) -> int:
    """Return the first of these counts that is more than 0, which is `most` at most."""
    if isinstance(members, dict):
        for name in names:
            if (given := members.get(name)) and (count := tokens(given)):  # as a rule it is 0
                return min(count, most)
    return 0
