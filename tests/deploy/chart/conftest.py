"""The tests of the chart need Helm, which `make test` puts into .venv-helm on Linux with x86-64."""

import os
from pathlib import Path

from tests.deploy.chart.rendering import HELM


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the tests out without Helm; `HELM=required` makes its absence an error."""
    is_missing = not HELM.exists()
    if is_missing and os.environ.get("HELM") == "required":
        raise RuntimeError("Helm is missing: make .venv-helm/.helm")
    return True if is_missing and collection_path.name.startswith("test_") else None
