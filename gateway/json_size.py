"""Number of values in a JSON text, counted before decoding: decoded values take up to 30 times the text's bytes.

Counted are the characters that every value, member and container brings with it. What stands inside of strings costs
nothing, but looking for strings does; so that is done where the plain count is too high, and nowhere else.
"""

from collections.abc import Iterator
from typing import Final

MOST_VALUES: Final = 1_000_000
"""Of a request, by default. A history of 3,000 turns with tools holds 115,000, and 300,000 tokens to embed 300,000."""

ANSWER_FACTOR: Final = 8
"""How many times as many an answer may hold: 20 alternatives for each of 16,000 tokens are 6 million values."""

CONTAINER: Final = 5
"""How many values an array or object counts as: it takes that much more memory and time."""

# How many times as many may stand in strings. Some strings are decoded, too: the arguments of tool calls. A structural
# character of text is a token, or a good part of one, and no model reads 4 million of these.
_IN_STRINGS = 4
_BLOCK = 64 * 1024


def holds_more(text: bytes, most: int) -> bool:
    """Return whether a JSON text holds more than `most` values; every array, object and member of an object counts,
    too.

    Takes time in proportion to the text, and no memory to speak of. Says nothing of texts that are not JSON.
    """
    if len(text) * CONTAINER <= most:
        return False
    commas, openings = text.count(b","), text.count(b"[") + text.count(b"{")
    if commas + text.count(b":") + CONTAINER * openings <= most:
        return False
    if commas + openings > _IN_STRINGS * most:
        return True
    return _holds_more_outside(text, most)


def _holds_more_outside(text: bytes, most: int) -> bool:
    """The same, with what stands inside of strings left out."""
    values = quotes = 0
    for block in _without_escapes(text):
        outside = block.split(b'"')
        is_inside = quotes % 2
        quotes += len(outside) - 1
        bare = b"".join(outside[is_inside::2])
        values += bare.count(b",") + bare.count(b":") + CONTAINER * (bare.count(b"[") + bare.count(b"{"))
        if values > most or quotes > 2 * (most + CONTAINER):  # each string is a value or a member's name
            return True
    return False


def _without_escapes(text: bytes) -> Iterator[bytes]:
    """The text in blocks, in which every quote begins or ends a string."""
    start = 0
    while start < len(text):
        block = text[start : start + _BLOCK]
        if (len(block) - len(block.rstrip(b"\\"))) % 2:  # what is escaped is still to come
            block = text[start : start + _BLOCK + 1]
        start += len(block)
        yield block.replace(rb"\\", b"").replace(rb"\"", b"")
