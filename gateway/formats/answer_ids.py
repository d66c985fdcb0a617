"""Id of an answer in its beginning, whole or streamed: a later call may continue the answer by it."""

import re

_ID = re.compile(rb'"id"\s*:\s*"([^"\\]{1,256})"')


class AnswerIds:
    """Finder of ids that begin with a prefix, and so cannot be taken for the id of a call inside the answer."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()

    def __call__(self, answer: bytes) -> str:
        """Return the id, '' where it is not found."""
        ids = (found[1] for found in _ID.finditer(answer))
        return next((each for each in ids if each.startswith(self._prefix)), b"").decode("latin-1")
