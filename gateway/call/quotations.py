"""Words that a text quotes of a request, masked: a provider's error may repeat a prompt, a header or what is in them.

A word stays if errors of APIs are usually written with it, if it is one that the operator configured, or if it is a
number or a measure that the request does not hold. Everything else becomes `…` (decision 49).
"""

import re
from collections.abc import Callable, Iterable, Mapping

from gateway.call.error_vocabulary import VOCABULARY
from gateway.call.plain_words import without_encoded
from gateway.errors import Headers

MOST_CHARACTERS = 1 << 20
"""Of a request that is searched. Of a larger one no unusual word is kept: to search it takes too long."""
LONGEST = 300  # characters of what is kept of a text
_READ = 1000  # characters of a text that are looked at
_MASK = "…"
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_WORD = re.compile(r"\S+")
_PART = re.compile(r"\w+")
# A number, a duration, a size, or the version or series of something: `8192`, `7m12s`, `1024x1024`, `v1beta`, `4o`.
_MEASURE = re.compile(
    r"\d{1,10}|\d{1,6}x\d{1,6}|\d{1,6}(?:ms|[smhdk])(?:\d{1,4}(?:ms|[smh]))?|v\d{1,3}(?:alpha|beta)?"
    r"|(?=\w{0,3}\d)\w{1,4}",
    re.ASCII,
)
_EDGES = "\"'`\u201c\u201d\u2018\u2019.,;:!?()[]{}<>=*"
_AROUND = _EDGES.replace("=", "")  # the padding of base64 goes with it
_MASKS = re.compile(r"…(?: ?…)++")
# What breaks a line, or a terminal or a reader would obey.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")

Sent = Callable[[], str | None]
"""Makes the text of a request, in lower case; None where it is too large, or not known."""


def sent_text(texts: Mapping[str, str], headers: Headers = (), *more: str | None) -> str | None:
    """The text of a request: the JSON of its members, its headers, and what the version put in."""
    values = (value.decode("latin-1") for _, value in headers)
    parts = [*texts.values(), *values, *filter(None, more)]
    if sum(map(len, parts)) > MOST_CHARACTERS:
        return None
    text = "\n".join(parts)
    return (_unescaped(text) if "\\u" in text else text).lower()


def _unescaped(text: str) -> str:
    """The JSON text with the characters that it spells in hexadecimal."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_quotations(text: str, sent: Sent, known: Iterable[str] = ()) -> str:
    """Return the text, on one line of at most `LONGEST` characters, without what it quotes of a request."""
    search = _QuotationSearch(sent, frozenset(word.lower() for word in known))
    masked = _WORD.sub(lambda found: search.masked(found[0]), printable(text[:_READ]))
    return _shortened(_MASKS.sub(_MASK, masked))


def is_quoted(text: str, sent: Sent) -> bool:
    """Return whether the request holds the text as a whole, as far as it is searched."""
    request = sent()
    return request is not None and text.lower() in request


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}{_MASK}"


class _QuotationSearch:
    """Searches one request for words, and reads it only where there is an unusual one."""

    def __init__(self, sent: Sent, known: frozenset[str]) -> None:
        self._sent = sent
        self._known = known
        self._text: str | None = None
        self._is_read = False

    def masked(self, word: str) -> str:
        """The word without what the request holds of it."""
        core = word.strip(_EDGES)
        if not core or self._is_usual(core):
            return word
        whole = word.strip(_AROUND)
        word = word.replace(whole, without_encoded(whole, self._is_usual, _MASK))
        core = word.strip(_EDGES)
        if not core.strip(_MASK) or self._is_kept(core):
            return word
        parts = _PART.findall(core)
        if len(parts) > 1 and self._holds(core):
            return word.replace(core, _MASK)
        return _PART.sub(lambda found: found[0] if self._is_kept(found[0]) else _MASK, word)

    def _is_usual(self, word: str) -> bool:
        lower = word.lower()
        is_short = len(word) == 1 or (len(word) == 2 and word.isdecimal())
        return is_short or lower in VOCABULARY or lower in self._known

    def _is_kept(self, word: str) -> bool:
        if self._is_usual(word):
            return True
        return _MEASURE.fullmatch(word) is not None and not self._holds(word)

    def _holds(self, word: str) -> bool:
        """Return whether the request holds the word, or nobody can say."""
        if not self._is_read:
            self._text, self._is_read = self._sent(), True
        text, lower = self._text, word.lower()
        if text is None:
            return True
        return lower in text
