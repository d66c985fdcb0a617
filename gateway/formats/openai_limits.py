"""Limits of OpenAI's APIs, and differences between its models. Other servers may check the same."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.formats.limits import WORD, FormatLimits, Spelling
from gateway.formats.prompt import Effort

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_HINTS: Mapping[str, int] = {"user": 64, "safety_identifier": 64, "prompt_cache_key": 64}
_TIERS = {"service_tier": frozenset({"auto", "default", "flex", "scale", "priority"})}
# The limits of OpenAI's chat completions that any server of that API may check.
CHAT = FormatLimits(
    # OpenAI's own servers have said 40 ("Expected a string with maximum length 40") and 64.
    call_id=Spelling(40),
    tool_name=Spelling(64, WORD),
    hints=_HINTS,
    hint_values=_TIERS,
    whole_objects=True,
    verbosity=True,
)
OPENAI = replace(CHAT, tools=128, stops=4, images=_IMAGES, object_root=True, closed_strict=True)

_NO_EFFORT: tuple[Effort, ...] = ()
_CLASSIC: tuple[Effort, ...] = ("low", "medium", "high")
# What OpenAI's models differ in, wherever they run: the longest prefix of the model's name wins.
MODELS: Mapping[str, tuple[tuple[Effort, ...], int]] = {
    "gpt-3.5": (_NO_EFFORT, 4_096),
    "gpt-4": (_NO_EFFORT, 8_192),
    "gpt-4-turbo": (_NO_EFFORT, 4_096),
    "gpt-4-1106": (_NO_EFFORT, 4_096),
    "gpt-4-0125": (_NO_EFFORT, 4_096),
    "gpt-4o": (_NO_EFFORT, 16_384),
    "gpt-4.1": (_NO_EFFORT, 32_768),
    "gpt-4.5": (_NO_EFFORT, 16_384),
    "chatgpt-": (_NO_EFFORT, 16_384),
    "o1": (_CLASSIC, 100_000),
    "o3": (_CLASSIC, 100_000),
    "o4": (_CLASSIC, 100_000),
    "gpt-5": (("minimal", *_CLASSIC), 128_000),
    "gpt-5-chat": (_NO_EFFORT, 16_384),
    "gpt-5-pro": (("high",), 272_000),
    "gpt-5-codex": (_CLASSIC, 128_000),
    "gpt-5.": (("none", *_CLASSIC), 128_000),
    "gpt-5.1-codex": (_CLASSIC, 128_000),
    "gpt-5.2": (("none", *_CLASSIC, "xhigh"), 128_000),
    "gpt-5.3": (("none", *_CLASSIC, "xhigh"), 128_000),
    "gpt-5.4": (("none", *_CLASSIC, "xhigh"), 128_000),
}


def of_model(limits: FormatLimits, model: str) -> FormatLimits:
    """Return those limits with what that model takes."""
    name = model.rpartition("/")[2]
    prefixes = [prefix for prefix in MODELS if name.startswith(prefix)]
    if not prefixes:
        return limits
    efforts, longest = MODELS[max(prefixes, key=len)]
    return replace(limits, efforts=efforts, max_tokens=longest)
