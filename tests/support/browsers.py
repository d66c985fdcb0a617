"""Pages in headless Chromium. Every error that a page reports, a breach of its policy too, fails the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from gateway.api.status_page import HTML
from gateway.pages.condition import LEVELS, Level
from gateway.pages.frame import LivePage as Shown
from gateway.pages.frame import document, icon
from tests.support.page_states import NOW

PHONE = {"width": 375, "height": 812}
DESK = {"width": 1280, "height": 800}
# A stream that is open, and stays so: what Playwright answers by itself has an end.
_OPEN_STREAM = """
window.EventSource = class extends EventTarget {
  constructor() { super(); queueMicrotask(() => this.dispatchEvent(new Event("open"))); }
};
"""
_ZONE = "Europe/Berlin"
_FILES = {"status.css": "text/css", "status.js": "text/javascript", "review.js": "text/javascript"}


@dataclass(slots=True)
class Browsing:
    """Windows of a running browser, and what their pages have complained of."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)
    _shown: dict[Page, Shown] = field(default_factory=dict)

    async def open(self, url: str, **options: Any) -> Page:
        """Open an address in a window of its own; `options` are Playwright's of a browser context."""
        page = await self._page(**options)
        await page.goto(url)
        return page

    async def show(self, shown: Shown, **options: Any) -> Page:
        """Show a page that no gateway serves, with its own policy, script and stylesheet; its stream stays empty."""
        page = await self._page(**options)
        await page.add_init_script(_OPEN_STREAM)
        await page.clock.set_fixed_time(NOW)
        await page.route("**/*", lambda route: _fulfil(route, self._shown[page]))
        await self.turn(page, shown)
        return page

    async def turn(self, page: Page, shown: Shown) -> None:
        """Show another page in the same window."""
        self._shown[page] = shown
        await page.goto(_address(shown))

    async def _page(self, **options: Any) -> Page:
        settings: dict[str, Any] = {"viewport": DESK, "timezone_id": _ZONE, "locale": "en-GB", **options}
        context = await self.browser.new_context(**settings)
        self._contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._note(message.type, message.text))
        return page

    def pardon(self, *statuses: str) -> None:
        """Forget complaints of answers with these statuses, which the test wanted."""
        self.complaints[:] = [each for each in self.complaints if not any(status in each for status in statuses)]

    async def close(self) -> None:
        """Close every window."""
        for context in self._contexts:
            await context.close()

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and "events" not in text:
            self.complaints.append(text)


def _address(shown: Shown) -> str:
    return "http://gateway.test/status" + ("/agent" if shown.top else "")


async def _fulfil(route: Route, shown: Shown) -> None:
    """Answer as the gateway does."""
    url = route.request.url
    name = url.rpartition("/")[2]
    if url == _address(shown):
        headers = {key.decode(): value.decode() for key, value in HTML}
        await route.fulfill(body=document(shown), headers=headers)
    elif name.startswith("status-"):
        await route.fulfill(body=icon(_level(name)), content_type="image/svg+xml")
    elif name in _FILES:
        await route.fulfill(body=files("gateway.pages").joinpath(name).read_bytes(), content_type=_FILES[name])
    else:
        await route.fulfill(status=404)


def _level(name: str) -> Level:
    return next(level for level in LEVELS if name == f"status-{level}.svg")


@asynccontextmanager
async def browsing(executable: str) -> AsyncIterator[Browser]:
    """Start a browser."""
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()
