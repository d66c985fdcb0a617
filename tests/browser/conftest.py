"""A headless Chromium; the tests that need one are left out where none is installed."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browsers import Browsing, browsing

_NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).resolve().parents[1] / "clients/node/node_modules/axe-core/axe.min.js"
_CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the tests out without a browser; `CHROMIUM=required` makes its absence an error."""
    if _CHROMIUM is None and os.environ.get("CHROMIUM") == "required":
        raise pytest.UsageError(f"no browser is on the PATH: one of {', '.join(_NAMES)}")
    return True if _CHROMIUM is None and collection_path.name.startswith("test_") else None


collect_ignore = [] if AXE.exists() else ["test_accessibility.py"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_browser() -> AsyncIterator[Browser]:
    """One browser for all of these tests: to start one takes longer than most of them."""
    async with browsing(str(_CHROMIUM)) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def browser(running_browser: Browser) -> AsyncIterator[Browsing]:
    """Windows of the test's own; every error on a page fails the test in the end."""
    found = Browsing(running_browser)
    yield found
    await found.close()
    assert found.complaints == []
