"""`GET /costs`: what calls have cost, for the operator and for each key."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.history.costs_view import CostsView
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.views import read_view
from tests.support.crowd import ask
from tests.support.processes import command
from tests.support.running import ADMIN_TOKEN, Running, running, trial, write

KEYS = {"web": "a-clients-key", "batch": "another-key"}
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"


def bearer(name: str) -> str:
    return f"authorization: Bearer {KEYS[name]}"


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    """A gateway with two keys, a trial whose canary fails, and a fallback at another model."""
    behaviours = {
        "good": ModelBehaviour(seed=1),
        "bad": ModelBehaviour(error_rate=1.0),
        "spare": ModelBehaviour(seed=2),
    }
    standin = Standin(behaviours)
    await standin.start()
    files: dict[str, Any] = trial(agent, standin, fallback=["standin/spare"], guardrails=["error_rate <= 99%"])
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
        "retries": {"per_target": 0},
        "prices": [
            {"target": f"standin/{model}", "from": "2020-01-01", "input": 1.0, "output": 2.0} for model in behaviours
        ],
        "keys": {name: {"sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in KEYS.items()},
    }
    async with running(write(tmp_path, files), redis_url) as served:
        yield served
    await standin.stop()


async def call(served: Running, agent: str, key: str, text: str) -> float:
    """One call; what its answer says that it has cost."""
    body = {"model": agent, "messages": [{"role": "user", "content": text}]}
    headers = (bearer(key), f"x-conversation-id: {text}")
    reply = await ask(served.url, "POST", "/v1/chat/completions", orjson.dumps(body), headers=headers)
    return float(reply.headers["x-serinus-cost-usd"])


async def costs(served: Running, query: str = "", header: str = ADMIN) -> Any:
    reply = await ask(served.url, "GET", f"/costs{query}", headers=(header,))
    assert reply.status == 200, reply.body
    return orjson.loads(reply.body)


async def until_counted(served: Running, calls: int, query: str) -> Any:
    async with asyncio.timeout(5):
        while True:
            if (found := await costs(served, query))["total"]["calls"] >= calls:
                return found
            await asyncio.sleep(0.02)


async def test_every_cent_is_in_a_row(served: Running, agent: str) -> None:
    """The answers' own headers add up to the rows, by key and model; fallbacks are told apart."""
    cents = {key: sum([await call(served, agent, key, f"{key} {number}") for number in range(12)]) for key in KEYS}
    found = await until_counted(served, 24, f"?agent={agent}&by=key,model,day&since=1d")
    assert found["by"] == ["key", "model", "day"] and read_view(CostsView, found).rows
    for key, usd in cents.items():
        rows = [row for row in found["rows"] if row["key"] == key]
        assert sum(row["cost_usd"] for row in rows) == pytest.approx(usd) and sum(row["calls"] for row in rows) == 12
    spare = [row for row in found["rows"] if row["model"] == "standin/spare"]
    assert spare and all(row["fallback_usd"] == row["cost_usd"] > 0 for row in spare)
    assert found["projection"]["spent_usd"] == pytest.approx(sum(cents.values()))
    assert sum(each["conversations"] for each in found["conversations"]) == 24
    assert len(found["dearest"]) >= 10 and found["dearest"][0]["agent"] == agent
    assert "50 of each are needed" in found["comparisons"][0]["sentence"]


async def test_a_key_is_told_of_its_own_calls_alone(served: Running, agent: str) -> None:
    """Nobody learns what another key spends."""
    await call(served, agent, "batch", "theirs")
    usd = await call(served, agent, "web", "ours")
    await until_counted(served, 2, f"?agent={agent}")
    found = await costs(served, "?by=key", bearer("web"))
    assert [row["key"] for row in found["rows"]] == ["web"] and found["total"]["cost_usd"] == pytest.approx(usd)
    assert found["conversations"] == found["dearest"] == found["comparisons"] == []
    assert (await ask(served.url, "GET", "/costs")).status == 401


async def test_the_command_prints_them(served: Running, agent: str) -> None:
    """As tables, CSV or JSON; what is refused is said, with exit code 1."""
    await call(served, agent, "web", "ours")
    await until_counted(served, 1, f"?agent={agent}")
    around = {"SERINUS_URL": served.url, "SERINUS_ADMIN_TOKEN": ADMIN_TOKEN}
    shown = await command("costs", agent, "--by", "key,day", **around)
    assert shown.code == 0 and shown.out.splitlines()[1].split()[:3] == ["key", "day", "calls"] and "web" in shown.out
    as_csv = await command("costs", "--csv", "--since", "2d", **around)
    assert as_csv.out.splitlines()[0].startswith("agent,version,calls,cost_usd")
    as_json = await command("costs", "--json", **around)
    assert orjson.loads(as_json.out)["total"]["calls"] >= 1
    refused = await command("costs", "--by", "color", **around)
    assert refused.code == 1 and "known: agent, version, key, model, day" in refused.errors


@pytest.mark.parametrize("query", ["?by=color", "?since=soon", "?since=1d&until=9d", "?days=3", "?by=agent&limit=1"])
async def test_what_is_not_understood_is_refused(served: Running, agent: str, query: str) -> None:
    """The answer says what is known."""
    reply = await ask(served.url, "GET", f"/costs{query}", headers=(ADMIN,))
    assert reply.status == 400 and orjson.loads(reply.body)["error"]["param"] in query


async def test_an_unknown_agent_is_404(served: Running) -> None:
    """And so is one that the key may not call."""
    assert (await ask(served.url, "GET", "/costs?agent=nobody", headers=(ADMIN,))).status == 404


async def test_without_the_store_there_are_no_costs(served: Running) -> None:
    """A 503 says so; nothing is made up."""
    with served.store.faulty("costs"):
        assert (await ask(served.url, "GET", "/costs", headers=(ADMIN,))).status == 503
