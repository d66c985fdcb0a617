"""The tests of machines need bubblewrap and systemd-analyze, of Debian's packages `bubblewrap` and `systemd`."""

import os
import shutil
from pathlib import Path


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the tests out without them; `SANDBOX=required` makes their absence an error."""
    missing = [name for name in ("bwrap", "systemd-analyze") if shutil.which(name) is None]
    if missing and os.environ.get("SANDBOX") == "required":
        raise RuntimeError(f"{', '.join(missing)} missing: apt-get install bubblewrap systemd")
    return True if missing and collection_path.name.startswith("test_") else None
