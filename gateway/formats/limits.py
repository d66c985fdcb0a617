"""What each provider's API takes at most, as data: one line a format, and one for each host or model that differs.

`fit` applies these limits to a translated request. Of a request in the provider's own format only the ids of calls are
fitted. Sources: the API references of OpenAI, Anthropic, Amazon and Google, and error texts of their servers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from string import ascii_letters, digits

from gateway.formats.claude.tooling import OUTPUT_TOOL
from gateway.formats.prompt import Effort, FormatName

_UNBOUNDED = 1 << 20
_READABLE = 64  # characters that are kept of a name or an id where the limit would allow for more
_DIGEST = 12  # hexadecimal digits, which keep different names and ids apart
_PLAIN = frozenset(ascii_letters + digits)
_WORD = _PLAIN | {"_", "-"}


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a name or an id may be spelled: its length, its characters (None for any), and its first character."""

    longest: int = _UNBOUNDED
    characters: frozenset[str] | None = None
    shortest: int = 1
    first: frozenset[str] | None = None

    def takes(self, text: str) -> bool:
        """Whether the text is spelled so."""
        if not self.shortest <= len(text) <= self.longest:
            return False
        if self.first is not None and text[0] not in self.first:
            return False
        return self.characters is None or self.characters.issuperset(text)

    def fit(self, text: str, repetition: int = 0) -> str:
        """A text of this spelling, the same for the same text and repetition, and different for different ones."""
        if not repetition and self.takes(text):
            return text
        marked = f"{text}\0{repetition}" if repetition else text
        digest = hashlib.sha256(marked.encode(errors="surrogatepass")).hexdigest()
        longest = min(self.longest, _READABLE)
        kept = longest - _DIGEST - 1
        if kept < 1 or (self.characters is not None and "_" not in self.characters):
            return digest[:longest]
        allowed = _WORD if self.characters is None else self.characters
        readable = "".join([each if each in allowed else "_" for each in text[:kept]])
        if self.first is not None and readable[:1] not in self.first:
            readable = f"_{readable[1:]}"
        return f"{readable}_{digest[:_DIGEST]}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one provider takes.

    `unique_ids` says that no two calls of a conversation may have one id, `reserved` are names that no function may
    have. `hints` is the greatest length of a hint, `hint_values` are the values that a hint may have. `tools` and
    `stops` are the greatest numbers of each. `images` are media types, None for any.

    Of schemas, `whole_objects` says that an object needs its properties and an array its items, `closed_strict` that a
    strict schema must be closed, `object_root` that a function's schema is a plain object, `lone_refs` that a `$ref`
    stands alone. `efforts` are those that the model takes, None for any; `max_tokens` is the longest answer.
    """

    call_id: Spelling = Spelling()
    unique_ids: bool = False
    tool_name: Spelling = Spelling()
    reserved: frozenset[str] = frozenset()
    hints: Mapping[str, int] = field(default_factory=dict)
    hint_values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tools: int = _UNBOUNDED
    stops: int = _UNBOUNDED
    images: frozenset[str] | None = None
    whole_objects: bool = False
    object_root: bool = False
    closed_strict: bool = False
    lone_refs: bool = False
    efforts: tuple[Effort, ...] | None = None
    max_tokens: int = _UNBOUNDED


# Other names of a media type, each with the one that every provider knows.
MEDIA_TYPES: Mapping[str, str] = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
}
METADATA_MEMBERS, METADATA_NAME, METADATA_VALUE = 16, 64, 512  # of OpenAI's `metadata`

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_HINTS: Mapping[str, int] = {"user": 64, "safety_identifier": 64, "prompt_cache_key": 64}
_TIERS = {"service_tier": frozenset({"auto", "default", "flex", "scale", "priority"})}
_OPENAI_NAME = Spelling(64, _WORD)
# The limits of OpenAI's chat completions that any server of that API may check.
_CHAT = Limits(
    # OpenAI's own servers have said 40 ("Expected a string with maximum length 40") and 64.
    call_id=Spelling(40),
    tool_name=_OPENAI_NAME,
    hints=_HINTS,
    hint_values=_TIERS,
    whole_objects=True,
)
_OPENAI_CHAT = replace(_CHAT, tools=128, stops=4, images=_IMAGES, object_root=True, closed_strict=True)

FORMATS: Mapping[FormatName, Limits] = {
    "openai": _CHAT,
    "openai-responses": replace(_OPENAI_CHAT, call_id=Spelling(64), stops=_UNBOUNDED),
    "anthropic": Limits(
        call_id=Spelling(characters=_WORD),
        unique_ids=True,
        tool_name=Spelling(128, _WORD),
        reserved=frozenset({OUTPUT_TOOL}),
        hints={"user": 256, "safety_identifier": 256},
    ),
    "gemini": Limits(
        tool_name=Spelling(128, _WORD | {".", ":"}, first=frozenset(ascii_letters) | {"_"}),
        lone_refs=True,
    ),
    "bedrock": Limits(
        call_id=Spelling(64, _WORD),
        unique_ids=True,
        tool_name=Spelling(64, _WORD),
        reserved=frozenset({OUTPUT_TOOL}),
    ),
}
# Hosts of chat completions whose limits are known; a name that begins with a dot is the end of a host's.
HOSTS: Mapping[str, Limits] = {
    "api.openai.com": _OPENAI_CHAT,
    ".api.openai.com": _OPENAI_CHAT,  # its regions
    ".openai.azure.com": _OPENAI_CHAT,
    ".cognitiveservices.azure.com": _OPENAI_CHAT,
    # Refuses an effort at models that do not know it, and nobody knows which do: a wish is not worth a refusal.
    "api.mistral.ai": replace(_CHAT, call_id=Spelling(9, _PLAIN, shortest=9), efforts=()),
}
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


@lru_cache(maxsize=256)  # the targets of a configuration
def limits(format: FormatName, host: str = "", model: str = "") -> Limits:
    """What that model takes at that host in that format."""
    found = FORMATS[format]
    if format == "openai":
        found = known_host(host) or found
    if format not in ("openai", "openai-responses"):
        return found
    name = model.rpartition("/")[2]
    prefixes = [prefix for prefix in MODELS if name.startswith(prefix)]
    if not prefixes:
        return found
    efforts, longest = MODELS[max(prefixes, key=len)]
    return replace(found, efforts=efforts, max_tokens=longest)


@lru_cache(maxsize=64)
def known_host(host: str) -> Limits | None:
    """The limits of a host of chat completions, None where they are not known."""
    return next((each for known, each in HOSTS.items() if _is(host.lower(), known)), None)


def _is(host: str, known: str) -> bool:
    return host.endswith(known) if known.startswith(".") else host == known
