"""Patterns that operators write to find what must not be kept. They are RE2's: time is linear in the text's length.

A pattern of Python's `re` may take hours over a text that somebody has made for that, and hold up all calls meanwhile.
The package comes with the extra `serinus[redact]`, and is loaded only where there is a pattern.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

INSTALL: Final = "pip install 'serinus[redact]'"
MOST_MATCHES: Final = 1_000  # in one text: each may cost a look at all that follows
_MOST_BYTES = 1 << 20  # of a compiled pattern
_REDACTED = "[redacted]"
_REST = "[redacted: too many matches to look further]"


class TextPatterns:
    """Patterns that are replaced wherever they match."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns

    def replace_in(self, texts: Sequence[str]) -> tuple[list[str], int]:
        """Return the texts without what matches, and the number of matches. May run in a thread: RE2 lets others go on
        meanwhile.
        """
        found = [self._replace(text) for text in texts]
        return [text for text, _ in found], sum(count for _, count in found)

    def _replace(self, text: str) -> tuple[str, int]:
        total = 0
        for pattern in self._compiled:
            text, count = _replace(pattern, text)
            total += count
        return text, total

    @cached_property
    def _compiled(self) -> list[Any]:
        return [_compile(pattern) for pattern in self._patterns]


def check(pattern: str) -> None:
    """Raise ValueError with a hint where a pattern cannot be used."""
    try:
        compiled = _compile(pattern)
    except ImportError:
        raise ValueError(f"patterns need RE2, which is not installed: {INSTALL}") from None
    except ValueError as error:
        raise ValueError(f"is no RE2 pattern: {error}; RE2 has no look-around and no back-references") from None
    if compiled.search("") is not None:
        raise ValueError("matches the empty text, and so everywhere; say what must be there")


def _replace(pattern: Any, text: str) -> tuple[str, int]:
    parts, at, count = list[str](), 0, 0
    for found in pattern.finditer(text):
        parts += (text[at : found.start()], _REDACTED)
        at, count = found.end(), count + 1
        if count == MOST_MATCHES:
            return "".join((*parts, _REST)), count
    return "".join((*parts, text[at:])) if parts else text, count


def _compile(pattern: str) -> Any:
    """Return a compiled pattern. Raises ImportError where RE2 is missing, ValueError where the pattern is wrong."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        (reason,) = error.args
        raise ValueError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None
