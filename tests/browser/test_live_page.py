"""The live page before a real gateway: what changes is shown without a reload, and nothing else moves."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio
from playwright.async_api import Page as Window
from playwright.async_api import expect

from gateway.rehearsal.standin import ModelBehaviour, Standin
from policies.rollout.verbs import Command
from tests.support.browsers import Browsing
from tests.support.crowd import crowd
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write
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


async def fill(page: Window, verb: str, reason: str) -> None:
    """Fill the form in, but not the token."""
    await page.check(f"#verb-{verb}")
    await page.fill("input[name=reason]", reason)
    await page.fill("input[name=actor]", "Ada")
    await page.check("input[name=sure]")


async def test_an_operator_acts_on_the_page(served: Running, agent: str, browser: Browsing) -> None:
    """With reason and confirmation, by the token that stays in the page; a wrong one opens no login box."""
    page = await browser.open(f"{served.url}/status/{agent}")
    await fill(page, "pause", "looking into tickets")
    await page.fill("#token", "wrong")
    await page.click("#act button")
    await expect(page.locator("#said")).to_have_text("The admin token is missing or wrong; nothing was changed.")
    await page.fill("#token", ADMIN_TOKEN)
    await page.click("#act button")
    await expect(page.locator("#said")).to_have_text("Done: pause.")
    await expect(page.locator("#now")).to_contain_text("v2 is paused at 50 %", timeout=2000)
    await expect(page.locator("#timeline")).to_contain_text("pause by Ada: looking into tickets")
    await fill(page, "resume", "all well")
    await page.click("#act button")
    await expect(page.locator("#now")).to_contain_text("v2 gets 50 % of the traffic", timeout=2000)
    browser.pardon("401")


async def test_a_change_meanwhile_is_seen_before_one_acts(served: Running, agent: str, browser: Browsing) -> None:
    """Typed words stay; that one has looked must be said again."""
    page = await browser.open(f"{served.url}/status/{agent}")
    await expect(page.locator("#connection")).to_have_text("Live")
    await fill(page, "pause", "looking into tickets")
    await served.gateway.services.commands.act(agent, 1, Command("pin", "Bob", "wait for me"))
    await expect(page.locator("#said")).to_have_text("The rollout has just changed. Look again before you act.")
    assert await page.input_value("input[name=reason]") == "looking into tickets"
    assert not await page.is_checked("input[name=sure]") and await page.is_checked("#verb-pause")


async def test_an_operator_acts_without_a_script(served: Running, agent: str, browser: Browsing) -> None:
    """The browser asks for the token as a password; a refusal is shown on the page."""
    login = {"username": "ada", "password": ADMIN_TOKEN}
    page = await browser.open(f"{served.url}/status/{agent}", java_script_enabled=False, http_credentials=login)
    await fill(page, "pause", "looking into tickets")
    await page.click("#act button")
    await expect(page).to_have_url(f"{served.url}/status/{agent}")
    await expect(page.locator("#now")).to_contain_text("v2 is paused at 50 %")
    await served.gateway.services.commands.act(agent, 2, Command("resume", "Bob", "all well"))
    await fill(page, "resume", "all well")
    await page.click("#act button")
    await expect(page.locator("#said")).to_contain_text(f"{agent} is at epoch 3")
    await expect(page.locator("h1")).to_have_css("font-weight", "700")
    browser.pardon("401", "412")


async def test_another_sites_form_does_nothing(served: Running, agent: str, browser: Browsing) -> None:
    """Though the browser sends the operator's password along."""
    login = {"username": "ada", "password": ADMIN_TOKEN}
    page = await browser.open(f"{served.url}/status/{agent}", http_credentials=login)
    fields = {"verb": "abort", "reason": "x", "actor": "x", "sure": "yes", "epoch": "1"}
    inputs = "".join(f"<input name={name} value={value}>" for name, value in fields.items())
    form = f"<form method=post action={served.url}/status/{agent}/act>{inputs}<button>Win</button></form>"
    await page.route("http://evil.test/", lambda route: route.fulfill(body=form, content_type="text/html"))
    await page.goto("http://evil.test/")
    await page.click("button")
    assert "origin_not_allowed" in await page.inner_text("body")
    assert phase(served, agent) == "running"
    browser.pardon("401", "403", "404")
