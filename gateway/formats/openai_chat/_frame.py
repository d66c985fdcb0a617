"""Members that all chunks of one stream share, around the model's text.

A provider repeats it with every token. So a part that was looked into tells what the next one must look like, and that
is compared in place of being looked into again.
"""

import re

from gateway.redaction import NOTHING, SHORTEST, Redactor

# The text is the value of `content` or `reasoning_content`, up to the quote that ends it; quotes inside are escaped.
_TEXT = b'content":"'
# Possessive: there is one way to read a string, and nothing is remembered for going back.
_STRING = re.compile(rb'[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+')
_text, _is_text = _STRING.match, _STRING.fullmatch
_is_bare_text = re.compile(rb'[^"\\\x00-\x1f]*+').fullmatch  # most tokens hold no escapes, and this is found out sooner
# OpenAI pads its events with noise, so that their length tells nothing of the text.
_NOISE = b',"obfuscation":"'
_is_noise = re.compile(rb'[\w+/=-]*"\}\n\n').fullmatch


class ChunkFrame:
    """The bytes before and behind the text of one part; what is noise does not count.

    A text too short to be a secret is not searched for one; noise is as long as it likes.
    """

    __slots__ = ("_before", "_behind", "_is_clean", "_is_noisy", "_length", "_searched_from", "_start")

    def __init__(self, before: bytes, behind: bytes, is_noisy: bool, redactor: Redactor) -> None:
        self._before = before
        self._start = len(before)
        self._behind = behind
        self._length = len(behind)
        self._is_noisy = is_noisy
        self._searched_from = 0 if is_noisy else self._start + SHORTEST + self._length  # the size of a part
        self._is_clean = redactor.is_clean

    @classmethod
    def of(cls, part: bytes, redactor: Redactor = NOTHING) -> "ChunkFrame | None":
        """The frame of a part, which is one whole event; None where it has several lines, or no text."""
        found = part.find(_TEXT)
        if found < 0 or part.find(b"\n") != len(part) - 2:
            return None
        start = found + len(_TEXT)
        text = _text(part, start)
        noise = _noise_of(part)
        return cls(part[:start], part[text.end() if text else start : noise or len(part)], noise > 0, redactor)

    def holds(self, chunk: bytes) -> bool:
        """Return whether the chunk is one whole part that differs from others only in its text, which is no secret."""
        start = self._start
        if chunk[:start] != self._before:
            return False
        end = _noise_of(chunk) if self._is_noisy else len(chunk)
        last = end - self._length
        return (
            chunk[last:end] == self._behind
            and (end < self._searched_from or self._is_clean(chunk))
            and (_is_bare_text(chunk, start, last) or _is_text(chunk, start, last)) is not None
        )


def _noise_of(part: bytes) -> int:
    """Return the offset of the noise that ends a part, 0 when there is none."""
    start = part.rfind(_NOISE) + len(_NOISE)
    return start if start >= len(_NOISE) and _is_noise(part, start) else 0
