"""Id of an answer in its beginning, whole or streamed: a later call may continue the answer by it."""

import re

_ID = re.compile(rb'"id"\s*:\s*"([^"\\]{1,2000})"')


class AnswerIds:
    """Finder of ids that begin with a prefix, and so cannot be taken for the id of a call inside the answer.

    What is said before them is the answer's own text, in which a quotation mark is escaped.
    """

    __slots__ = ("_longest", "_prefix")

    def __init__(self, prefix: bytes, longest: int = 256) -> None:
        self._prefix = prefix
        self._longest = longest

    def __call__(self, answer: bytes) -> str:
        """Return the id, '' where it is not found."""
        for found in _ID.finditer(answer):
            if found[1].startswith(self._prefix) and len(found[1]) <= self._longest:
                return found[1].decode("latin-1")
        return ""
