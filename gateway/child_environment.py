"""Environment of child processes: only what they need to run, without the provider keys."""

import os
import sys
from collections.abc import Mapping

_PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME"),
)


def environment(ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The few variables of ours that a child gets."""
    return {name: ours[name] for name in _PASSED_ON if name in ours}


_PR_SET_DUMPABLE = 4  # prctl(2)


def refuse_inspection() -> None:
    """Let no other process of the user read our environment or memory: on Linux `/proc` shows a parent's to a child.

    Not for what serves: it could not count its own file descriptors any more.
    """
    if sys.platform == "linux":
        import ctypes  # half a megabyte that what serves does not need

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
