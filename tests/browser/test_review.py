"""The review page in a browser: by keys, without a script, one answer for one person, and nothing hostile obeyed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page as Window
from playwright.async_api import expect

from gateway.pages.review_page import LastLabel, start_page
from gateway.rehearsal.standin import ModelBehaviour
from gateway.replica.replica import Seams
from gateway.timings import USUAL, Timings
from tests.support.browsers import Browsing
from tests.support.crowd import ask
from tests.support.page_states import label_given, reviews_of
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

_HOSTILE = "<script>alert(window.obeyed = 1)</script>"
_LOGIN = {"username": "ada", "password": ADMIN_TOKEN}


@asynccontextmanager
async def serving(folder: Path, redis_url: str, agent: str, timings: Timings = USUAL) -> AsyncIterator[Running]:
    """A gateway whose calls are all reviewed."""
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour()) as standin:
        files = trial(agent, standin, record_content="all", review={"sample": "100%"})
        async with running(write(folder, files), redis_url, seams=Seams(timings=timings)) as served:
            yield served


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    async with serving(tmp_path, redis_url, agent) as each:
        yield each


async def call(served: Running, agent: str, *texts: str) -> list[str]:
    """Let calls wait; the versions that answered."""
    versions = []
    for text in texts:
        body = json.dumps({"model": agent, "messages": [{"role": "user", "content": text}]}).encode()
        versions.append((await ask(served.url, "POST", "/v1/chat/completions", body)).version)
    await served.gateway.services.traces.catch_up()
    await served.gateway.services.reviews.queue.write()
    return versions


async def begin(browser: Browsing, served: Running, agent: str, **options: Any) -> Window:
    """Open the page, and take an answer."""
    window = await browser.open(f"{served.url}/review/{agent}", **options)
    await window.click("text=Review the next answer")
    await expect(window.locator("h1")).to_have_text("How good is this answer?")
    return window


async def labels(served: Running, agent: str) -> list[tuple[str, str]]:
    return [(each.label, each.comment) for each in await served.store.review_labels(agent)]


async def test_by_keys_alone(served: Running, agent: str, browser: Browsing) -> None:
    """A comment may hold every key; a label shows what was labelled, and is taken back by a key, too."""
    await call(served, agent, "is it open?")
    window = await begin(browser, served, agent)
    await expect(window.locator("main")).to_contain_text("is it open?")
    await window.keyboard.press("c")
    await window.keyboard.type("123 suc: it is not")
    await window.keyboard.press("Escape")
    await window.keyboard.press("1")
    await expect(window.locator("[role=status]").first).to_contain_text("Labelled: bad.")
    assert await labels(served, agent) == [("bad", "123 suc: it is not")]
    await window.keyboard.press("u")
    await expect(window.locator("h1")).to_have_text("How good is this answer?")
    assert await labels(served, agent) == []
    await window.keyboard.press("Control+3")
    await window.keyboard.press("3")
    await expect(window.locator("h1")).to_contain_text("0 answers")
    assert await labels(served, agent) == [("good", "")]


async def test_without_a_script(served: Running, agent: str, browser: Browsing) -> None:
    """With a browser's own login; the next answer follows each label, and one may be skipped."""
    await call(served, agent, "one", "two", "three")
    window = await begin(browser, served, agent, java_script_enabled=False, http_credentials=_LOGIN)
    await window.fill("textarea", "kind")
    await window.click("button[value=good]")
    await expect(window.locator("main")).to_contain_text("Labelled: ")
    await window.click("button[value=skip]")
    await window.click("button[value=unsure]")
    await expect(window.locator("h1")).to_contain_text("1 answer of")
    assert await labels(served, agent) == [("good", "kind"), ("unsure", "")]


async def test_a_second_person_gets_another_answer(served: Running, agent: str, browser: Browsing) -> None:
    """And the first one keeps theirs when the page is loaded again."""
    await call(served, agent, "question one", "question two")
    windows = [await begin(browser, served, agent) for _ in range(2)]
    first, second = [await window.inner_text("main") for window in windows]
    assert ("question one" in first) != ("question one" in second)
    await windows[0].reload()
    assert ("question one" in await windows[0].inner_text("main")) == ("question one" in first)


async def test_a_lease_runs_out(tmp_path: Path, redis_url: str, agent: str, browser: Browsing) -> None:
    """Who was too slow is told so, and their label is not counted."""
    async with serving(tmp_path, redis_url, agent, replace(USUAL, review_lease=0.0)) as served:
        await call(served, agent, "hello")
        slow, quick = [await begin(browser, served, agent) for _ in range(2)]
        await quick.keyboard.press("3")
        await expect(quick.locator("main")).to_contain_text("Labelled: ")
        await slow.keyboard.press("1")
        await expect(slow.locator(".refusal")).to_contain_text("your label was not counted")
        assert await labels(served, agent) == [("good", "")]
    browser.pardon("409")


async def test_a_pair_by_keys(served: Running, agent: str, browser: Browsing) -> None:
    """The first answer, the second, Enter: both have a label of their own."""
    versions = list[str]()
    while len(set(versions)) < 2:
        versions += await call(served, agent, f"where is my order {len(versions)} please?")
    window = await browser.open(f"{served.url}/review/{agent}")
    await window.click("text=Compare two answers")
    await expect(window.locator("h1")).to_have_text("How good are these two answers?")
    for key in ("1", "3", "Enter"):
        await window.keyboard.press(key)
    await expect(window.locator("main")).to_contain_text("Labelled: ")
    found = [(each.review.arm, each.label) for each in await served.store.review_labels(agent)]
    assert {arm for arm, _ in found} == {"stable", "canary"} and sorted(name for _, name in found) == ["bad", "good"]


async def test_nothing_hostile_is_obeyed(served: Running, agent: str, browser: Browsing) -> None:
    """What a client, a reviewer or an operator has written is shown as it is."""
    await call(served, agent, _HOSTILE)
    window = await begin(browser, served, agent)
    assert _HOSTILE in await window.inner_text("main")
    await window.fill("textarea", _HOSTILE)
    await window.click("button[value=bad]")
    assert await labels(served, agent) == [("bad", _HOSTILE)]
    last = LastLabel((label_given(version=_HOSTILE),))
    shown = await browser.show(start_page(reviews_of(agent=_HOSTILE), "../", last, _HOSTILE))
    assert (await shown.inner_text("main")).count(_HOSTILE) == 3
    for each in (window, shown):
        assert await each.evaluate("window.obeyed") is None


async def test_a_form_of_another_site_labels_nothing(served: Running, agent: str, browser: Browsing) -> None:
    """Though the browser sends the operator's password along."""
    await call(served, agent, "hello")
    window = await begin(browser, served, agent, http_credentials=_LOGIN)
    form = f"<form method=post action={window.url}><input name=label-0 value=bad><button>Win</button></form>"
    await window.route("http://evil.test/", lambda route: route.fulfill(body=form, content_type="text/html"))
    await window.goto("http://evil.test/")
    await window.click("button")
    assert "origin_not_allowed" in await window.inner_text("body") and await labels(served, agent) == []
    browser.pardon("401", "403", "404")
