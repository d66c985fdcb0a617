"""`GET /status`: the contract field by field, who may read it, and quick answers whatever the store does."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from gateway import __version__
from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.canaries import CLIENT_KEY
from tests.support.crowd import ask, crowd
from tests.support.faulty_store import answer, stall
from tests.support.running import ADMIN_TOKEN, Running, running, trial, write
from tests.support.waiting import within

KEY = CLIENT_KEY


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    standin = Standin({"good": ModelBehaviour(error_rate=0.2, latency_seconds=0.002, seed=1)})
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    files = trial(agent, standin)
    provider = {"api": "openai", "base_url": standin.base_url}
    price = {"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0}
    files["gateway.yaml"] = {"providers": {"standin": provider}, "retries": {"per_target": 0}, "prices": [price]}
    async with running(write(tmp_path, files), redis_url) as served:
        yield served


async def status(served: Running, path: str = "/status", *headers: str) -> Any:
    return json.loads((await ask(served.url, "GET", path, headers=headers)).body)


def at(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


async def until_counted(served: Running, agent: str, calls: int) -> Any:
    """The agent's status once all these calls are in it."""
    async with asyncio.timeout(5):
        while True:
            view = (await status(served))["agents"][agent]
            if sum(version["requests"] for version in view["versions"].values()) == calls:
                return view
            await asyncio.sleep(0.02)


async def test_the_gateway_by_the_contract(served: Running) -> None:
    """Which version, which replica, which configuration since when, which store."""
    view = await status(served)
    gateway = view["gateway"]
    assert at(view["now"]) >= at(gateway["config"]["loaded_at"])
    assert gateway["version"] == __version__ and gateway["replica"] == served.gateway.services.replica
    assert gateway["config"]["digest"] == served.gateway.deployment.digest and gateway["config"]["error"] is None
    assert gateway["store"] == {"backend": "redis", "ok": True, "error": None, "risks": []}
    assert gateway["circuits"] == {}


async def test_a_trial_by_the_contract(served: Running, agent: str) -> None:
    """Record, evidence and sums, and the decision that led here."""
    view = (await status(served, f"/status/{agent}"))["agents"][agent]
    assert (view["phase"], view["epoch"], view["step"], view["weight"]) == ("running", 1, 1, 0.5)
    assert view["reason"] == "v2 on trial at 50% over v1"
    assert at(view["changed_at"]).year > 2000
    assert [len(view[arm]["digest"]) for arm in ("stable", "canary")] == [64, 64]
    assert (view["stable"]["version"], view["canary"]["version"]) == ("v1", "v2")
    assert (view["e_value"], view["threshold"]) == (1.0, 100.0)
    assert view["last_decision"] == {
        "at": view["changed_at"], "actor": "configuration", "action": "start", "reason": view["reason"],
        "evidence": {},
    }  # fmt: skip
    assert view["guardrails"][0] == {
        "text": "error_rate <= stable * 1.25", "metric": "error_rate", "verdict": "no data",
        "e_value": 1.0, "e_value_of_all": 1.0, "evidence": 0.4, "threshold": 100.0, "share": 0.4,
        "unit": "share", "relative": True, "limit": 1.25, "stable": None, "canary": None, "ratio": None,
        "stable_counts": None, "canary_counts": None,
    }  # fmt: skip
    assert len(view["guardrails"]) == 10 and view["signals"] == []


async def test_steps_by_the_contract(served: Running, agent: str, standin: Standin) -> None:
    """Its steps, what people did to it, and why it does not go on."""
    step = {"weight": "5%", "hold": "1h", "min_requests": 9, "approval": "required"}
    entry = {"stable": "v1", "canary": "v2", "steps": [step], "signals": ["ttft_p50 <= stable * 1.10"]}
    write(served.folder, {"routing.yaml": {"agents": {agent: entry}}})
    served.reload()
    await within(2, lambda: state(served, agent).weight == 500)
    view = (await status(served))["agents"][agent]
    assert view["steps"] == [{"weight": 0.05, "hold_seconds": 3600.0, "min_requests": 9, "approval": True}]
    assert (view["pinned"], view["approved"], view["dismissed"]) == (False, False, [])
    assert [finding["text"] for finding in view["signals"]] == ["ttft_p50 <= stable * 1.10"]
    waits = " | ".join(view["waits_for"])
    for reason in ("the step lasts for another", "9 more canary requests", "30 more units", "approval is needed"):
        assert reason in waits


async def test_the_sums_by_the_contract(served: Running, agent: str, standin: Standin) -> None:
    """Every call once, with its errors, time, tokens and cost; what has no price costs nothing known."""
    async with crowd(served.url) as people:
        await people.call_often(agent, 60)
    view = await until_counted(served, agent, 60)
    books, good, bad = standin.counts("good"), view["versions"]["v1"], view["versions"]["v2"]
    assert (good["requests"], good["errors"]) == (books.requests, books.faults["status"])
    assert good["error_rate"] == good["errors"] / good["requests"]
    assert 0.002 <= good["latency_seconds"]["p50"] <= good["latency_seconds"]["p90"] <= good["latency_seconds"]["p99"]
    assert good["ttft_seconds"].keys() == {"p50", "p90", "p99"} and good["quality"] is None
    assert good["tokens"]["input"] == books.prompt_tokens and good["tokens"]["output"] == books.completion_tokens
    assert good["cost_usd"] == pytest.approx((books.prompt_tokens + 2 * books.completion_tokens) / 1e6)
    assert good["cost_per_request_usd"] == good["cost_usd"] / good["requests"]
    assert bad["cost_usd"] is None and bad["unpriced"] == bad["requests"]
    assert view["unpriced"] == ["standin/bad"], "named, so that nobody takes its calls for free ones"


async def test_a_rollback_can_be_proven_afterwards(
    served: Running, agent: str, standin: Standin, tmp_path: Path, redis_url: str
) -> None:
    """What it was decided on is shown: also by a replica that came later."""
    standin.behave("good", ModelBehaviour())
    standin.behave("bad", ModelBehaviour(error_rate=1.0))
    async with crowd(served.url) as people:
        for _ in range(10):
            await people.call_often(agent, 10)
    await within(2, lambda: state(served, agent).phase == "rolled_back")
    async with running(tmp_path, redis_url) as later:
        for each in (served, later):
            view = (await status(each))["agents"][agent]
            assert (view["phase"], view["weight"]) == ("rolled_back", 0.0)
            assert view["e_value"] >= 100 and "breached" in {found["verdict"] for found in view["guardrails"]}
            assert view["last_decision"]["action"] == "roll_back"
            assert view["last_decision"]["evidence"]["canary_failing"] >= 3


def state(served: Running, agent: str) -> Any:
    return served.gateway.services.table.seen(agent)


async def test_without_a_canary_nothing_is_on_trial(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """No phase, no weight, no canary; the stable version is there, called or not."""
    files = trial(agent, standin) | {"routing.yaml": {"agents": {agent: {"stable": "v1"}}}}
    async with running(write(tmp_path, files), redis_url) as served:
        view = (await status(served))["agents"][agent]
    assert (view["phase"], view["weight"], view["canary"]) == (None, 0.0, None)
    assert list(view["versions"]) == ["v1"] and view["versions"]["v1"]["requests"] == 0
    assert view["versions"]["v1"]["error_rate"] is None and view["versions"]["v1"]["cost_per_request_usd"] is None


async def test_an_unknown_agent_is_404(served: Running) -> None:
    """And nothing else than GET is answered."""
    assert (await ask(served.url, "GET", "/status/nobody")).status == 404
    assert (await ask(served.url, "POST", "/status")).status == 405


async def test_a_store_that_is_away_shows_what_was_last_known(served: Running, agent: str) -> None:
    """The last sums, when they were read, and a table that still holds."""
    async with crowd(served.url) as people:
        await people.call_often(agent, 20)
    before = await until_counted(served, agent, 20)
    with served.store.faulty("snapshot"):
        after = (await status(served))["agents"][agent]
    assert after["versions"] == before["versions"] and at(after["read_at"]) <= at(before["read_at"])
    assert (after["phase"], after["weight"]) == ("running", 0.5)


async def test_an_old_snapshot_does_not_outlive_its_rollout(served: Running, agent: str) -> None:
    """While the status could not be read the record moved on: the newer record is shown, and none of the old sums."""
    async with crowd(served.url) as people:
        await people.call_often(agent, 20)
    await until_counted(served, agent, 20)
    with served.store.faulty("snapshot"):
        write(served.folder, {"routing.yaml": {"agents": {agent: {"stable": "v1"}}}})
        served.reload()
        await within(2, lambda: state(served, agent).epoch == 2)
        view = (await status(served))["agents"][agent]
    assert (view["phase"], view["epoch"], view["versions"]["v1"]["requests"]) == (None, 2, 0)


async def test_a_newer_record_than_the_tables_is_shown_whole(served: Running, agent: str) -> None:
    """Between a rollback and the turn of this table, phase and weight are of one piece."""
    snapshot = await served.store.snapshot(agent)
    assert snapshot.state and snapshot.state.canary
    newer = replace(
        snapshot.state, epoch=9, phase="rolled_back", weight=0, rolled_back={snapshot.state.canary.digest: "why"}
    )
    with served.store.faulty("snapshot", fault=answer(replace(snapshot, state=newer))):
        view = (await status(served))["agents"][agent]
    assert (view["phase"], view["weight"], view["epoch"]) == ("rolled_back", 0.0, 9)


async def test_a_slow_store_is_not_waited_for(served: Running, agent: str) -> None:
    """The status comes within a second, also with a hundred agents behind it."""
    served.store.calls.clear()
    with served.store.faulty("snapshot", fault=stall):
        assert list(await served.gateway.services.status.agents([agent] * 1000)) == [agent]
    assert served.store.calls["snapshot"] < 100, "the first that wait are waited for, and no others"


async def test_an_agent_that_just_left_is_left_out(served: Running, agent: str) -> None:
    """Its name may still be on its way through a request."""
    assert list(await served.gateway.services.status.agents([agent, "gone"])) == [agent]


async def test_a_browser_gets_the_page(served: Running, agent: str) -> None:
    """HTML that runs nothing and loads one stylesheet from here; no page may frame it, no cache keep it."""
    reply = await ask(served.url, "GET", "/status", headers=("accept: text/html,application/xhtml+xml;q=0.9",))
    assert reply.headers["content-type"] == "text/html; charset=utf-8" and agent.encode() in reply.body
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert reply.headers["cache-control"] == "no-store" and reply.headers["x-content-type-options"] == "nosniff"
    style = await ask(served.url, "GET", "/status.css")
    assert style.status == 200 and style.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("prefix", ["", "/gw"])
async def test_the_page_finds_its_stylesheet_behind_a_proxy(served: Running, agent: str, prefix: str) -> None:
    """Its address is relative, so a path that a proxy puts before ours changes nothing."""
    for path in ("/status", f"/status/{agent}"):
        page = (await ask(served.url, "GET", path, headers=("accept: text/html",))).body.decode()
        [href] = re.findall(r'rel="stylesheet" href="([^"]+)"', page)
        assert urljoin(f"http://host{prefix}{path}", href) == f"http://host{prefix}/status.css"


@pytest.fixture
async def public(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    """A gateway that listens beyond the loopback, with two agents and a key for one of them."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    files = trial(agent, standin) | {f"agents/{agent}-b/v1.yaml": {"model": "standin/good"}}
    files["gateway.yaml"] = {
        "listen": "0.0.0.0:8080",
        "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
        "keys": {"web": {"sha256": digest, "agents": [agent]}},
    }
    files["routing.yaml"] = {"agents": {agent: {"stable": "v1"}, f"{agent}-b": {"stable": "v1"}}}
    async with running(write(tmp_path, files), redis_url) as served:
        yield served


def basic(password: str) -> str:
    return "authorization: Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@pytest.mark.parametrize("headers", [(), ("authorization: Bearer no",), (basic("no"),), ("authorization: Basic %",)])
async def test_beyond_the_loopback_it_wants_a_key(public: Running, headers: tuple[str, ...]) -> None:
    """401, and a browser asks for the password."""
    reply = await ask(public.url, "GET", "/status", headers=headers)
    assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", [f"authorization: Bearer {ADMIN_TOKEN}", basic(ADMIN_TOKEN)])
async def test_the_admin_token_sees_all(public: Running, agent: str, header: str) -> None:
    """As a Bearer token, or as the password of a browser."""
    assert list((await status(public, "/status", header))["agents"]) == [agent, f"{agent}-b"]


async def test_a_key_sees_the_agents_it_may_call(public: Running, agent: str) -> None:
    """The other is as if it were not there."""
    key = f"authorization: Bearer {KEY}"
    assert list((await status(public, "/status", key))["agents"]) == [agent]
    assert (await ask(public.url, "GET", f"/status/{agent}-b", headers=(key,))).status == 404


async def test_a_key_reads_no_problem_of_others(public: Running, agent: str) -> None:
    """What is wrong with the files quotes prompts and paths, and open circuits tell others' targets: the operator's."""
    services = public.gateway.services
    services.config_error = lambda: "/etc/serinus/agents/b/v1.yaml: Our SECRET margin: unknown key"
    circuits = services.proxy.attempts.circuits
    circuits.states = lambda: {"standin/good": "open", "standin/theirs": "open"}  # type: ignore[method-assign]
    read = (await status(public, "/status", f"authorization: Bearer {KEY}"))["gateway"]
    assert "SECRET" not in read["config"]["error"] and "refused" in read["config"]["error"]
    assert read["circuits"] == {"standin/good": "open"}
    page = await ask(public.url, "GET", "/status", headers=(f"authorization: Bearer {KEY}", "accept: text/html"))
    assert b"SECRET" not in page.body and b"theirs" not in page.body
    whole = (await status(public, "/status", f"authorization: Bearer {ADMIN_TOKEN}"))["gateway"]
    assert "SECRET" in whole["config"]["error"] and len(whole["circuits"]) == 2
