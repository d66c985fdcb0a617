"""Two gateways over a Redis Cluster of three primaries: a whole trial, and what the loss of one primary costs."""

import asyncio
import json
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from gateway.cli.client import Operator, Standing
from gateway.cli.operate import print_verification
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import AgentView
from tests.support.crowd import ask, crowd
from tests.support.receivers import Ear, ear
from tests.support.redis_servers import SLOTS, cluster_of, until
from tests.support.running import ADMIN_TOKEN, Running, provider, running, write

PRIMARIES = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two gateways of one configuration, one agent of which lives on each primary."""

    gateways: Sequence[Running]
    agents: Sequence[str]
    primaries: Sequence[Process]
    standin: Standin
    ear: Ear

    def phases(self, agent: str) -> list[str | None]:
        """Where the agent's rollout stands, as each gateway knows it."""
        seen = [gateway.gateway.services.table.seen(agent) for gateway in self.gateways]
        return [state.phase if state else None for state in seen]

    async def until_phase(self, agent: str, phase: str) -> None:
        async def is_there() -> bool:
            return self.phases(agent) == [phase] * len(self.gateways)

        await until(is_there)

    def operator(self) -> Operator:
        return Operator(self.gateways[0].url, ADMIN_TOKEN)

    async def do(self, agent: str, verb: str, **more: str) -> Standing:
        command = {"actor": "kim", "reason": "because", **more}
        return await asyncio.to_thread(self.operator().verb, agent, verb, command)

    async def view(self, agent: str) -> AgentView:
        return await asyncio.to_thread(self.operator().agent, agent)


def agent_on(primary: int) -> str:
    """An agent's name whose keys lie on that primary."""
    share = -(-SLOTS // PRIMARIES)
    while True:
        name = f"agent-{uuid.uuid4().hex[:12]}"
        if key_slot(name.encode()) // share == primary:
            return name


def files(agents: Sequence[str], standin: Standin, notify: dict[str, Any]) -> dict[str, object]:
    """Each agent has v2 on trial with half of the traffic, and a person behind its target."""
    provider = {"api": "openai", "base_url": standin.base_url}
    entry = {"stable": "v1", "canary": "v2", "weight": "50%", "fallback": ["human"]}
    versions = {
        f"agents/{agent}/{version}.yaml": {"model": f"standin/{model}"}
        for agent in agents
        for version, model in (("v1", "good"), ("v2", "bad"))
    }
    return {
        "gateway.yaml": {
            "providers": {"standin": provider},
            "retries": {"per_target": 0},
            "notify": [notify],
            "escalation": {"desk": True},
        },
        "routing.yaml": {"agents": dict.fromkeys(agents, entry)},
        **versions,
    }


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    agents = [agent_on(primary) for primary in range(PRIMARIES)]
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider())
        url, primaries = await stack.enter_async_context(cluster_of(folder / "cluster"))
        heard, notify = await stack.enter_async_context(ear())
        config = write(folder / "config", files(agents, standin, {**notify, "on": ["roll_back"]}))
        gateways = [await stack.enter_async_context(running(config, url)) for _ in range(2)]
        yield Pair(gateways, agents, primaries, standin, heard)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Pair]:
    async with pair(tmp_path) as made:
        yield made


async def feedback(served: Running, call_id: str) -> Any:
    body = json.dumps({"call_id": call_id, "score": 0.5}).encode()
    reply = await ask(served.url, "POST", "/v1/feedback", body)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


async def roll_back(two: Pair, agent: str) -> None:
    """The canary answers nothing any more, until every gateway has taken it out; people take over what it failed."""
    two.standin.behave("bad", ModelBehaviour(error_rate=1.0))
    async with crowd(*(gateway.url for gateway in two.gateways)) as people:
        async with asyncio.timeout(20):
            while set(two.phases(agent)) != {"rolled_back"}:
                assert {reply.status for reply in await people.call_often(agent, 8)} == {200}


async def test_a_whole_trial_over_a_cluster(two: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    """Split, counts, feedback, rollback, notice, handover, audit and verbs, for agents on all primaries; no key is ever
    asked for together with one of another slot."""
    agent = two.agents[0]
    async with crowd(*(gateway.url for gateway in two.gateways)) as people:
        replies = [reply for each in two.agents for reply in await people.call_often(each, 40)]
    assert {reply.status for reply in replies} == {200} and {reply.version for reply in replies} == {"v1", "v2"}
    scored = await feedback(two.gateways[1], replies[0].headers["x-request-id"])
    assert scored["agent"] == agent and scored["counts"]
    await until_booked(two, agent, 40)
    await roll_back(two, agent)
    assert {phase for each in two.agents[1:] for phase in two.phases(each)} == {"running"}
    await until(lambda: is_true(two.ear.made > 0))
    view = await two.view(agent)
    assert view.versions["v2"].errors >= 3 and view.versions[scored["version"]].quality == 0.5
    assert await handed_over(two, agent) > 0
    assert (await two.do(agent, "retry")).phase == "running"
    await two.until_phase(agent, "running")
    assert (await two.do(agent, "set-weight", weight="10%")).weight == 0.1
    assert (await two.do(two.agents[1], "abort")).phase == "rolled_back"
    await two.until_phase(two.agents[1], "rolled_back")
    for each in two.agents:
        assert await asyncio.to_thread(print_verification, two.operator(), each) == 0
    out = capfd.readouterr().out
    assert "CROSSSLOT" not in out and '"event":"bug"' not in out


async def until_booked(two: Pair, agent: str, calls: int) -> None:
    async def all_there() -> bool:
        versions = (await two.view(agent)).versions.values()
        return bool(sum(version.requests for version in versions) == calls)

    await until(all_there)


async def is_true(value: bool) -> bool:
    return value


async def handed_over(two: Pair, agent: str) -> int:
    """How many conversations of the agent lie in the store for people."""
    client: Any = two.gateways[0].gateway.store.store._client  # type: ignore[attr-defined]  # the real store's
    return int(await client.xlen(f"serinus:{{{agent}}}:escalations"))


async def test_a_dead_primary_takes_its_own_agents_trials_only(two: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    """kill -9 of one of three, which has no replica: calls of its agents are served by the last record, and the others'
    trials are decided as ever."""
    lost, kept, other = two.agents
    async with crowd(*(gateway.url for gateway in two.gateways)) as people:
        await people.call_often(lost, 20)
        two.primaries[0].kill()
        await two.primaries[0].wait()
        replies = await people.call_often(lost, 60)
        assert {reply.status for reply in replies} == {200} and {reply.version for reply in replies} == {"v1", "v2"}
        assert two.phases(lost) == ["running", "running"]
    await roll_back(two, kept)
    assert (await two.do(other, "abort")).phase == "rolled_back"
    await two.until_phase(other, "rolled_back")
    assert two.phases(lost) == ["running", "running"]
    assert '"event":"bug"' not in capfd.readouterr().out
