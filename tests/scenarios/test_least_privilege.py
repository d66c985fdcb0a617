"""A gateway whose store knows it as the user of `serinus check --redis-acl`, and as one who may do less."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.store.permissions import acl_line
from tests.support.crowd import Reply, ask, crowd
from tests.support.judging import judging
from tests.support.receivers import Ear, ear
from tests.support.redis_servers import ask_server, tcp_server, until
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

KEY = "key-of-the-least-privileged-caller"
CALLER = f"authorization: Bearer {KEY}"
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
PRICES = [
    {"target": f"standin/{name}", "from": "2020-01-01", "input": 1, "output": 1} for name in ("good", "bad", "judge")
]


@dataclass(frozen=True, slots=True)
class House:
    """A gateway with everything switched on that its store keeps, and the port of that store."""

    served: Running
    port: int
    agent: str
    standin: Standin
    ear: Ear

    async def call(self, text: str, **more: Any) -> Reply:
        body = {"model": self.agent, "messages": [{"role": "user", "content": text}], "user": text, **more}
        return await self.post("/v1/chat/completions", body)

    async def post(self, path: str, body: object, *headers: str) -> Reply:
        return await ask(self.served.url, "POST", path, json.dumps(body).encode(), headers=headers or [CALLER])

    async def see(self, path: str, *headers: str) -> Any:
        reply = await ask(self.served.url, "GET", path, headers=headers or [ADMIN])
        assert reply.status == 200, (path, reply.body)
        return json.loads(reply.body)

    async def do(self, verb: str, **more: object) -> int:
        epoch = (await self.see("/status"))["agents"][self.agent]["epoch"]
        body = {"actor": "kim", "reason": "because", **more}
        path = f"/admin/agents/{self.agent}/{verb}"
        return (await self.post(path, body, ADMIN, f"if-match: {epoch}")).status

    @property
    def phase(self) -> str | None:
        state = self.served.gateway.services.table.seen(self.agent)
        return state.phase if state else None


def files(agent: str, standin: Standin, notify: object, is_limited: bool) -> dict[str, object]:
    judge = {"target": "standin/judge", "rubric": "polite.md", "sample": "100%", "max_cost_per_day": 5}
    made: dict[str, Any] = trial(
        agent, standin, record_content="all", judge=judge, review={"sample": "100%"}, fallback=["human"],
        limits={"usd": {"24h": 100}, "requests": "10000/1m", "unpriced": "refuse"},
    )  # fmt: skip
    key: dict[str, object] = {"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "limits": {"tokens": "1000000/1m"}}
    made["gateway.yaml"] |= {
        "prices": PRICES, "keys": {"app": key}, "notify": [notify], "escalation": {"desk": True},
        "retries": {"per_target": 0}, "alerts": {},
    }  # fmt: skip
    if not is_limited:
        del key["limits"], made["routing.yaml"]["agents"][agent]["limits"]
    return {**made, f"agents/{agent}/polite.md": "The answer is polite."}


@pytest_asyncio.fixture
async def house(request: pytest.FixtureRequest, tmp_path: Path, agent: str) -> AsyncIterator[House]:
    (tmp_path / "redis").mkdir()
    async with (
        provider(judge=judging()) as standin,
        tcp_server(tmp_path / "redis") as port,
        ear() as (heard, notify),
    ):
        await ask_server(port, *acl_line().replace("PASSWORD", "pw").split())
        config = write(
            tmp_path / "config",
            files(agent, standin, {**notify, "on": ["roll_back", "pause"]}, getattr(request, "param", True)),
        )
        async with running(config, f"redis://serinus:pw@127.0.0.1:{port}/0") as served:
            yield House(served, port, agent, standin, heard)


async def refusals(port: int) -> list[str]:
    """What the server's own log says that it refused, beside the test's own questions."""
    return [str(each) for each in await ask_server(port, "ACL", "LOG")]


async def test_the_main_job_needs_no_further_permission(house: House) -> None:
    """Calls, feedback, verbs, traces, texts, reviews, a judge, limits, a rollback with its notice, people, history:
    the server has refused nothing."""
    replies = await asyncio.gather(*(house.call(f"question {number}") for number in range(40)))
    assert {reply.status for reply in replies} == {200}
    call_id = replies[0].headers["x-serinus-call-id"]
    assert (await house.post("/v1/feedback", {"call_id": call_id, "score": 0.5})).status == 200
    services = house.served.gateway.services
    await services.traces.catch_up()
    await services.reviews.queue.write()
    await services.judge.look()
    assert (await house.see(f"/calls/{call_id}"))["content"]
    lease = json.loads((await house.post(f"/review/{house.agent}", {"kind": "single"}, ADMIN)).body)
    assert lease
    for verb, more in (("pause", {}), ("resume", {}), ("set-weight", {"weight": "60%"})):
        assert await house.do(verb, **more) == 200
    await roll_back(house)
    await until(lambda: is_true(house.ear.made > 0))
    assert await house.do("retry") == 200
    for path in ("/status", f"/audit/{house.agent}", f"/status/{house.agent}/history", "/costs", "/v1/escalations"):
        await house.see(path)
    assert (await house.see("/keys/self", CALLER))["limits"]
    await house.served.gateway.services.controller.risks.look()
    assert await refusals(house.port) == []


async def roll_back(house: House) -> None:
    house.standin.behave("bad", ModelBehaviour(error_rate=1.0))
    async with asyncio.timeout(30):
        number = 0
        while house.phase != "rolled_back":
            number += 1
            assert (await house.call(f"again {number}")).status == 200


async def is_true(value: bool) -> bool:
    return value


@pytest.mark.parametrize("house", [False], indirect=True, ids=["unlimited"])
async def test_a_permission_that_is_taken_away_is_named(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """While it runs: calls are served, the store is away in the server's words with the command, and no traceback;
    given back, counts resume to the call."""
    async with crowd(house.served.url) as _:
        await house.call("before")
        await until(lambda: are_booked(house, 1))
        await ask_server(house.port, "ACL", "SETUSER", "serinus", "-hincrby", "-xadd")
        replies = await asyncio.gather(*(house.call(f"question {number}") for number in range(20)))
        assert {reply.status for reply in replies} == {200}
        await until(lambda: is_away(house, "(HINCRBY)"))
        assert await house.do("pause") == 503
        await ask_server(house.port, "ACL", "SETUSER", "serinus", "+hincrby", "+xadd")
        await until(lambda: are_booked(house, 21))
    out = capfd.readouterr().out
    assert "Traceback" not in out and '"event":"bug"' not in out


async def is_away(house: House, word: str) -> bool:
    store = (await house.see("/status"))["gateway"]["store"]
    return not store["ok"] and word in store["error"]


async def are_booked(house: House, calls: int) -> bool:
    view = await house.see("/status")
    versions = view["agents"][house.agent]["versions"].values()
    return bool(view["gateway"]["store"]["ok"] and sum(each["requests"] for each in versions) == calls)
