"""Changed words of a text, with what stays the same between them."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple

MOST_WORDS: Final = 4000  # of both texts together are compared word by word; of longer ones whole lines
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")


class WordChange(NamedTuple):
    """A piece of a text that both versions have, or one of them alone."""

    kind: Literal["equal", "removed", "added"]
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the piece as it stands in its text."""
        return "".join(self.words)


def is_long(before: str, after: str) -> bool:
    """Return whether two texts are too long to be compared word by word."""
    return len(_WORDS.findall(before)) + len(_WORDS.findall(after)) > MOST_WORDS


def changes(before: str, after: str) -> Iterator[WordChange]:
    """Yield the pieces of both texts in order; what is replaced is removed first."""
    if is_long(before, after):
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    else:
        old, new = _WORDS.findall(before), _WORDS.findall(after)
    for kind, first, last, begin, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield WordChange("equal", tuple(old[first:last]))
            continue
        if last > first:
            yield WordChange("removed", tuple(old[first:last]))
        if end > begin:
            yield WordChange("added", tuple(new[begin:end]))


def shortened(words: tuple[str, ...], around: int, *, is_first: bool, is_last: bool) -> str:
    """Return what both texts have, but only the words next to a change."""
    if len(words) <= 3 * around:
        return "".join(words)
    head = "" if is_first else "".join(words[:around])
    tail = "" if is_last else "".join(words[-around:])
    return f"{head} … {tail}"
