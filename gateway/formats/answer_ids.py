"""Id of an answer in its beginning, whole or streamed: a later call may continue the answer by it."""

import re


class AnswerIds:
    """Finder of ids that begin with a prefix, and so cannot be taken for the id of a call inside the answer.

    What is said before them is the answer's own text, in which a quotation mark is escaped.
    """

    __slots__ = ("_id",)

    def __init__(self, prefix: str, longest: int = 256) -> None:
        rest = longest - len(prefix)
        self._id = re.compile(rb'"id"\s*:\s*"(%b[^"\\]{0,%d})"' % (re.escape(prefix).encode(), rest))

    def __call__(self, answer: bytes) -> str:
        """Return the id, '' where it is not found."""
        found = self._id.search(answer)
        return found[1].decode("latin-1") if found else ""
