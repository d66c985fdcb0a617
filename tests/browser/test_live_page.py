"""The live page before a real gateway: what changes is shown without a reload, and nothing else moves."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio
from playwright.async_api import expect

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.browsers import Browsing
from tests.support.crowd import crowd
from tests.support.running import Running, provider, running, trial, write
from tests.support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def standin() -> AsyncIterator[Standin]:
    async with provider(good=ModelBehaviour(latency_seconds=0.002), bad=ModelBehaviour(latency_seconds=0.002)) as each:
        yield each


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    async with running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        yield served


@asynccontextmanager
async def steady_traffic(served: Running, agent: str) -> AsyncIterator[None]:
    """Calls for as long as somebody watches."""

    is_over = asyncio.Event()

    async def call() -> None:
        async with crowd(served.url) as people:
            while not is_over.is_set():
                await people.call_often(agent, 20)
                await asyncio.sleep(0.1)

    calling = asyncio.create_task(call())
    try:
        yield
    finally:
        is_over.set()
        await calling


def phase(served: Running, agent: str) -> str | None:
    state = served.gateway.services.table.seen(agent)
    return state.phase if state else None


async def test_numbers_change_without_a_reload(served: Running, agent: str, browser: Browsing) -> None:
    """The same document shows the calls that came after it was loaded."""
    page = await browser.open(f"{served.url}/status/{agent}")
    await expect(page.locator("#connection")).to_have_text("Live")
    await page.evaluate("window.loaded = 'once'")
    async with crowd(served.url) as people:
        await people.call_often(agent, 40)
    calls = page.locator("#numbers table").first.locator("tr", has_text=re.compile("^calls")).locator("td").last
    await expect(calls).not_to_have_text("0", timeout=5000)
    assert await page.evaluate("window.loaded") == "once"


async def test_a_rollback_is_seen_within_two_seconds(
    served: Running, agent: str, standin: Standin, browser: Browsing
) -> None:
    """On the agent's page and on the overview, in sentence, title and icon."""
    pages = [await browser.open(f"{served.url}/status{path}") for path in ("", f"/{agent}")]
    for page in pages:
        await expect(page.locator("#connection")).to_have_text("Live")
    standin.behave("bad", ModelBehaviour(error_rate=1.0))
    async with steady_traffic(served, agent):
        await within(10, lambda: phase(served, agent) == "rolled_back")
        rolled_back = monotonic()
        for page in pages:
            await expect(page.locator("#now")).to_contain_text("v2 was rolled back", timeout=2000)
            await expect(page).to_have_title(re.compile("^↩ .*v2 was rolled back"), timeout=2000)
        assert monotonic() - rolled_back < 2
    assert [await page.get_attribute("#icon", "href") for page in pages] == [
        "status-rolled_back.svg", "../status-rolled_back.svg",
    ]  # fmt: skip


async def test_selected_text_and_focus_survive_an_update(served: Running, agent: str, browser: Browsing) -> None:
    """Somebody who copies a digest or writes a reason is not disturbed; the rest is renewed meanwhile."""
    page = await browser.open(f"{served.url}/status/{agent}")
    await expect(page.locator("#connection")).to_have_text("Live")
    await page.fill("input[name=reason]", "too slow for")
    await page.focus("input[name=reason]")
    select = "getSelection().selectAllChildren(document.querySelector('#numbers tbody'))"
    await page.evaluate(select)
    before = await page.evaluate("String(getSelection())")
    async with crowd(served.url) as people:
        await people.call_often(agent, 40)
    await expect(page.locator("#limits")).to_contain_text("0 of 2", timeout=5000)
    assert await page.evaluate("String(getSelection())") == before != ""
    assert await page.input_value("input[name=reason]") == "too slow for"
    await page.evaluate("getSelection().removeAllRanges()")
    await expect(page.locator("#numbers tbody").first).not_to_contain_text(re.compile("calls ?0$"), timeout=3000)
