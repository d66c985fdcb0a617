"""The work of a piece of code as a number that no busy machine changes."""

import sys
from types import FrameType
from typing import Any


class CallCount:
    """Counts the calls of Python functions within a block: `with CallCount() as calls: ...; calls.total`."""

    def __init__(self) -> None:
        self.total = 0

    def __enter__(self) -> "CallCount":
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, _: FrameType, event: str, __: Any) -> None:
        self.total += event == "call"
