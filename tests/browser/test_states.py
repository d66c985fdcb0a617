"""Every state that somebody may be woken by: readable, within its policy, on any screen, by anyone."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Page as Window

from gateway.pages.overview import overview
from gateway.rollout.status_view import VersionView
from policies.rollout.state import VersionRef
from tests.support.browsers import DESK, PHONE, Browsing
from tests.support.page_states import STATES, history, page_of, trial, view

_ROOT = Path(__file__).resolve().parents[2]
_SHOTS = _ROOT / "docs/screenshots"
_SHOWN = {
    "overview": DESK,
    "suspect": DESK,
    "rolled-back": DESK,
    "overview-no-data": PHONE,
    "review-item": DESK,
}  # what the documentation shows
pytestmark = pytest.mark.asyncio(loop_scope="session")

_HOSTILE = "<script>alert(window.obeyed = 1)</script>"


async def width(window: Window) -> int:
    """How wide the document is."""
    found: int = await window.evaluate("document.documentElement.scrollWidth")
    return found


async def test_a_phone_shows_every_state_without_scrolling_sideways(browser: Browsing) -> None:
    """On 375 pixels."""
    window, widths = await browser.show(STATES["overview"](), viewport=PHONE), {}
    for name, make in STATES.items():
        await browser.turn(window, make())
        widths[name] = await width(window)
    assert widths == dict.fromkeys(STATES, PHONE["width"])


async def test_a_hostile_name_stays_text(browser: Browsing) -> None:
    """A version of that name is shown by it, and nothing of it runs."""
    agent = trial()
    versions: dict[str, VersionView] = {"v1": agent.versions["v1"], _HOSTILE: agent.versions["v2"]}
    hostile = replace(agent, canary=VersionRef(_HOSTILE, "e" * 64), versions=versions)
    for shown in (overview(view({_HOSTILE: hostile})), page_of(hostile, history())):
        window = await browser.show(shown)
        assert _HOSTILE in await window.inner_text("main")
        assert await window.evaluate("window.obeyed") is None


async def test_without_a_script_all_is_there(browser: Browsing) -> None:
    """Tables, curves, the forms; the page says that it reloads."""
    window = await browser.show(STATES["rolled-back"](), java_script_enabled=False)
    words = await window.inner_text("body")
    for said in (
        "v2 was rolled back",
        "18 × stable, limit 1.25 ×",
        "Error rate",
        "roll back by controller",
        "Try again",
    ):
        assert said in words
    assert "reloads every 5 seconds" in words and "2026-11-30 03:10:40 UTC" in words
    assert await window.locator("svg.chart").count() == 8


async def test_times_are_the_readers_own(browser: Browsing) -> None:
    """Local and relative; UTC on hover."""
    window = await browser.show(STATES["rolled-back"]())
    moment = window.locator("#timeline time").first
    assert await moment.inner_text() == "04:10:40 (2 min ago)"
    assert await moment.get_attribute("title") == "2026-11-30 03:10:40 UTC"


async def test_the_keyboard_reaches_everything(browser: Browsing) -> None:
    """First the way past the head of the page; the focus is always visible."""
    window = await browser.show(STATES["overview"]())
    reached = list[str]()
    for _ in range(8):
        await window.keyboard.press("Tab")
        reached.append(await window.evaluate("document.activeElement.textContent || document.activeElement.name"))
    assert reached[:8] == [
        "Skip to the content", "Calls", "Conversations", "Review", "filter", "trouble", "Show", "support",
    ]  # fmt: skip


async def test_a_filter_hides_rows_as_one_types(browser: Browsing) -> None:
    """Without asking the gateway."""
    window = await browser.show(STATES["overview-200"]())
    await window.fill("#filter", "agent-17")
    assert await window.locator("#agents > li:visible").count() == 10


async def test_a_page_can_be_printed(browser: Browsing) -> None:
    """Black on white, also of a dark screen, without what only a screen needs."""
    window = await browser.show(STATES["suspect"](), color_scheme="dark")
    await window.emulate_media(media="print")
    assert not await window.is_visible("#actions") and await window.is_visible("#limits")
    assert await window.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("state", _SHOWN)
async def test_screenshots_of_the_documentation(state: str, browser: Browsing) -> None:
    """Each is small; `SCREENSHOTS=renew` makes them anew (`make screenshots`)."""
    window = await browser.show(STATES[state](), viewport=_SHOWN[state])
    if STATES[state]().events:
        await window.locator("#connection[data-live=true]").wait_for()
    image = await window.screenshot(full_page=state == "overview-no-data")
    assert len(image) < 150_000
    if os.environ.get("SCREENSHOTS") == "renew":
        _SHOTS.mkdir(exist_ok=True)
        (_SHOTS / f"{state}.png").write_bytes(image)
    assert (_SHOTS / f"{state}.png").stat().st_size < 150_000
