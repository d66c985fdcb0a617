"""Environment of child processes: only what they need to run, without the provider keys."""

import os
from collections.abc import Mapping

_PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME"),
)


def environment(ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The few variables of ours that a child gets."""
    return {name: ours[name] for name in _PASSED_ON if name in ours}
