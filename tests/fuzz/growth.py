"""How many steps a check takes, for inputs of one and of two sizes: a count, which no busy machine changes."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.architecture import ROOT

_OURS = tuple(str(ROOT / package) for package in ("gateway", "routing", "policies", "evals"))


def steps(work: Callable[[], object]) -> int:
    """Return the number of lines of our packages that the work runs."""
    count = 0

    def of_line(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return of_line

    def of_call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return of_line if frame.f_code.co_filename.startswith(_OURS) else None

    before = sys.gettrace()
    sys.settrace(of_call)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
