"""`GET /status/{agent}/history`: curves of an agent's calls, for those who may read its status."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from gateway.history.view import HistoryView
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.views import read_view
from tests.support.canaries import CLIENT_KEY
from tests.support.crowd import ask
from tests.support.running import ADMIN_TOKEN, Running, running, trial, write

KEY = CLIENT_KEY
BEARER = f"authorization: Bearer {KEY}"
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    standin = Standin({"good": ModelBehaviour(error_rate=0.2, latency_seconds=0.002, seed=1)})
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    """A gateway with a trial, another agent, and a key for the first one alone."""
    files: dict[str, Any] = trial(agent, standin) | {f"agents/{agent}-b/v1.yaml": {"model": "standin/good"}}
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
        "retries": {"per_target": 0},
        "prices": [{"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0}],
        "keys": {"web": {"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "agents": [agent]}},
    }
    files["routing.yaml"]["agents"][f"{agent}-b"] = {"stable": "v1"}
    async with running(write(tmp_path, files), redis_url) as served:
        yield served


async def history(served: Running, agent: str, query: str = "") -> Any:
    reply = await ask(served.url, "GET", f"/status/{agent}/history{query}", headers=(BEARER,))
    assert reply.status == 200, reply.body
    return orjson.loads(reply.body)


async def test_every_call_is_a_part_of_a_curve(served: Running, agent: str) -> None:
    """By version and arm, with its errors by kind; what was decided stands beside it, and is a view of ours."""
    for number in range(30):
        body = {"model": agent, "messages": [{"role": "user", "content": f"question {number}"}]}
        await ask(served.url, "POST", "/v1/chat/completions", orjson.dumps(body), headers=(BEARER,))
    async with asyncio.timeout(5):
        while True:
            found = await history(served, agent, "?since=1h&step=60")
            points = [point for series in found["series"] for point in series["points"]]
            if sum(point["calls"] for point in points) == 30:
                break
            await asyncio.sleep(0.02)
    assert found["agent"] == agent and found["step_seconds"] == 60
    assert {(series["version"], series["arm"]) for series in found["series"]} <= {("v1", "stable"), ("v2", "canary")}
    errors = sum(point["errors"] for point in points)
    assert sum(point["errors_by_kind"].get("status", 0) for point in points) == errors > 0
    assert all(point["latency_seconds"]["p50"] > 0 for point in points if point["errors"] < point["calls"])
    assert sum(point["units"] for point in points) > 0 and sum(point["cost_usd"] or 0 for point in points) > 0
    assert found["decisions"][0]["action"] == "start" and found["decisions"][0]["evidence"] is None
    assert read_view(HistoryView, found).series
    recent = orjson.loads((await ask(served.url, "GET", f"/status/{agent}", headers=(BEARER,))).body)
    assert sum(view["recent"]["1h"]["calls"] for view in recent["agents"][agent]["versions"].values()) == 30


@pytest.mark.parametrize(
    ("query", "step"),
    [
        ("", 10),
        ("?since=24h", 300),
        ("?since=30d", 10800),
        ("?since=400d", 10800),
        ("?since=2h&until=1h&step=1h", 3600),
    ],
)
async def test_the_step_follows_the_time(served: Running, agent: str, query: str, step: int) -> None:
    """Where none is asked for it is such that a curve can be drawn; 31 days is the most there is."""
    assert (await history(served, agent, query))["step_seconds"] == step


async def test_times_may_be_absolute(served: Running, agent: str) -> None:
    """As the answer itself writes them, and with an offset whose `+` a query makes a space of."""
    now = (await history(served, agent))["now"]
    found = await history(served, agent, f"?since=2h&until={now}&step=60")
    assert found["until"][:16] >= now[:16]
    until = quote(now.replace("Z", "+00:00"), safe="+:")
    assert (await history(served, agent, f"?since=2h&until={until}&step=60"))["until"] == found["until"]


@pytest.mark.parametrize(
    "query",
    ["?since=soon", "?since=1h&until=2h", "?step=0", "?step=-1", "?step=1.5", "?hours=3", "?since=2026-01-01T00:00:00",
     "?since=9999999d&until=400d", "?until=0001-01-01T00:00:00%2B23:59", "?since=%00"],
)  # fmt: skip
async def test_what_is_not_understood_is_refused(served: Running, agent: str, query: str) -> None:
    """The answer says what to write."""
    reply = await ask(served.url, "GET", f"/status/{agent}/history{query}", headers=(BEARER,))
    assert (reply.status == 400 and b"since" in reply.body) or b"step" in reply.body


async def test_a_key_reads_its_own_agents_alone(served: Running, agent: str) -> None:
    """Another agent is as if it were not there; the admin token reads all, and nobody else anything."""
    assert (await ask(served.url, "GET", f"/status/{agent}-b/history", headers=(BEARER,))).status == 404
    assert (await ask(served.url, "GET", f"/status/{agent}-b/history", headers=(ADMIN,))).status == 200
    assert (await ask(served.url, "GET", f"/status/{agent}/history")).status == 401


async def test_without_the_store_there_is_no_history(served: Running, agent: str) -> None:
    """A 503 says so; nothing is made up."""
    with served.store.faulty("history"):
        assert (await ask(served.url, "GET", f"/status/{agent}/history", headers=(BEARER,))).status == 503
