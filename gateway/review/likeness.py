"""Likeness of two questions, so that answers of both arms can be read side by side.

Live traffic has no true pairs: nobody asks both versions the same. What comes near is a question in like words: the
share of words that two have in common, of all that either has (Jaccard, 1912).
"""

import re
from typing import Final

from gateway.contents.content import CallContent

ALIKE: Final = 0.4
_WORD = re.compile(r"\w{2,40}")
_MOST = 4_000  # characters of a question that are looked at


def words_of(content: CallContent) -> frozenset[str]:
    """Return the words of the last question of a call."""
    asked = next((each.text for each in reversed(content.messages) if each.role == "user" and each.text), "")
    return frozenset(_WORD.findall(asked[:_MOST].casefold()))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return how alike two questions are, 0 to 1."""
    either = len(one | other)
    return len(one & other) / either if either else 0.0
