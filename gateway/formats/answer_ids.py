"""Id of an answer in its beginning, whole or streamed: a later call may continue the answer by it."""

import re


class AnswerIds:
    """Finder of ids that begin with a prefix, and so cannot be taken for the id of a call inside the answer."""

    __slots__ = ("_pattern",)

    def __init__(self, prefix: str) -> None:
        self._pattern = re.compile(rb'"id"\s*:\s*"(%s[^"\\]{1,250})"' % prefix.encode())

    def __call__(self, answer: bytes) -> str:
        """Return the id, '' where it is not found."""
        found = self._pattern.search(answer)
        return found[1].decode("latin-1") if found else ""
