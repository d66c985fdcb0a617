"""Every page before axe-core: what a screen reader, a keyboard or a weak eye would stumble over.

axe-core comes with the tests' packages for Node; without Node 20 this is left out.
"""

import pytest
from playwright.async_api import Page as Window

from tests.browser.conftest import AXE
from tests.support.browsers import Browsing
from tests.support.page_states import STATES

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ALL_RULES = "{resultTypes: ['violations']}"
_CONTRAST = "{resultTypes: ['violations'], runOnly: ['color-contrast']}"
_IN_THE_DARK = (
    "overview-failing",
    "suspect",
    "rolled-back",
    "store-away",
    "conversation",
    "review-pair",
)  # every colour there is


async def violations(window: Window, options: str) -> list[str]:
    """What axe-core finds, with the first element of each kind."""
    await window.evaluate(AXE.read_text("utf-8"))
    found = await window.evaluate(f"axe.run({options}).then(found => found.violations)")
    return [f"{each['id']} {each['nodes'][0]['html']}" for each in found]


async def test_pages_are_accessible(browser: Browsing) -> None:
    """Names, roles, order of headings, contrast: nothing is found in any state."""
    window, found = await browser.show(STATES["overview"]()), dict[str, list[str]]()
    for name in STATES.keys() - {"overview-200"}:  # the elements of `overview`, many times over
        await browser.turn(window, STATES[name]())
        found[name] = await violations(window, _ALL_RULES)
    assert not any(found.values()), found


async def test_dark_pages_have_contrast(browser: Browsing) -> None:
    """Every colour that there is, on a dark screen."""
    window, found = await browser.show(STATES["overview"](), color_scheme="dark"), dict[str, list[str]]()
    for name in _IN_THE_DARK:
        await browser.turn(window, STATES[name]())
        found[name] = await violations(window, _CONTRAST)
    assert not any(found.values()), found
