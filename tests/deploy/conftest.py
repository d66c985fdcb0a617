"""The tests of what is deployed beside the gateway need Prometheus' promtool, of Debian's package `prometheus`."""

import os
import shutil
from pathlib import Path


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the tests out without promtool; `PROMTOOL=required` makes its absence an error."""
    is_missing = shutil.which("promtool") is None
    if is_missing and os.environ.get("PROMTOOL") == "required":
        raise RuntimeError("promtool is missing: apt-get install prometheus")
    return True if is_missing and collection_path.name.startswith("test_") else None
