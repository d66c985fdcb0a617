"""Upper limits of a provider's API, as data that each format states in its own folder.

`fit` applies these limits to a translated request. Of a request in the provider's own format only the ids of calls are
fitted. Sources: the API references of OpenAI, Anthropic, Amazon and Google, and error texts of their servers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import ascii_letters, digits

from gateway.formats.prompt import Effort

UNBOUNDED = 1 << 20
_READABLE = 64  # characters that are kept of a name or an id where the limit would allow for more
_DIGEST = 12  # hexadecimal digits, which keep different names and ids apart
PLAIN = frozenset(ascii_letters + digits)
WORD = PLAIN | {"_", "-"}


@dataclass(frozen=True, slots=True)
class Spelling:
    """Allowed spelling of a name or an id: length, characters (None for any), and first character."""

    longest: int = UNBOUNDED
    characters: frozenset[str] | None = None
    shortest: int = 1
    first: frozenset[str] | None = None

    def takes(self, text: str) -> bool:
        """Return whether the text follows this spelling."""
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
        allowed = WORD if self.characters is None else self.characters
        readable = "".join([each if each in allowed else "_" for each in text[:kept]])
        if self.first is not None and readable[:1] not in self.first:
            readable = f"_{readable[1:]}"
        return f"{readable}_{digest[:_DIGEST]}"


@dataclass(frozen=True, slots=True)
class FormatLimits:
    """Limits of one provider.

    `unique_ids` says that no two calls of a conversation may have one id, `reserved` are names that no function may
    have. `hints` is the greatest length of a hint, `hint_values` are the values that a hint may have. `tools` and
    `stops` are the greatest numbers of each. `images` are media types, None for any.

    Of schemas, `whole_objects` says that an object needs its properties and an array its items, `closed_strict` that a
    strict schema must be closed, `object_root` that a function's schema is a plain object, `lone_refs` that a `$ref`
    stands alone. `efforts` are those that the model takes, None for any; `max_tokens` is the longest answer. Without
    `verbosity` there is no such member, and the model is told in words how much to say.
    """

    call_id: Spelling = Spelling()
    unique_ids: bool = False
    tool_name: Spelling = Spelling()
    reserved: frozenset[str] = frozenset()
    hints: Mapping[str, int] = field(default_factory=dict)
    hint_values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tools: int = UNBOUNDED
    stops: int = UNBOUNDED
    images: frozenset[str] | None = None
    whole_objects: bool = False
    object_root: bool = False
    closed_strict: bool = False
    lone_refs: bool = False
    efforts: tuple[Effort, ...] | None = None
    max_tokens: int = UNBOUNDED
    verbosity: bool = False


# Other names of a media type, each with the one that every provider knows.
MEDIA_TYPES: Mapping[str, str] = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
}
METADATA_MEMBERS, METADATA_NAME, METADATA_VALUE = 16, 64, 512  # of OpenAI's `metadata`
