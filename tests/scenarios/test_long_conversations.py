"""A canary that dies under long conversations, or after its completion, is out within some tens of its calls."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.store import connect
from gateway.store.reaching import key_of
from tests.support.crowd import Line
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, trial, write

DEAD = ModelBehaviour(error_rate=1.0)


@dataclass(slots=True)
class Stage:
    """Two replicas over one store, and conversations that take turns at both."""

    agent: str
    replicas: Sequence[Served]
    standin: Standin
    lanes: list[list[Line]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lanes = [[Line(each.url) for each in self.replicas] for _ in range(12)]

    async def turns(self, names: Sequence[str], turn: int) -> None:
        """One call of each of these conversations, until the canary is out."""
        left = iter(names)
        body = json.dumps({"model": self.agent, "messages": [{"role": "user", "content": "go on"}]}).encode()

        async def work(lines: list[Line]) -> None:
            for name in left:
                headers = [f"x-conversation-id: {name}"]
                await lines[turn % 2].ask("POST", "/v1/chat/completions", body, headers)

        await asyncio.gather(*map(work, self.lanes))

    async def judged_turns(self, names: Sequence[str], turn: int) -> None:
        """One call of each of these conversations, all of them counted and judged before it returns."""
        before = await self._calls()
        await self.turns(names, turn)
        await until(lambda: self._has_counted(before + len(names)))

    async def _has_counted(self, calls: int) -> bool:
        return await self._calls() >= calls

    async def _calls(self) -> int:
        versions = (await self.replicas[0].status()).agents[self.agent].versions
        return sum(version.requests for version in versions.values())

    async def phase(self) -> str | None:
        return (await self.replicas[0].status()).agents[self.agent].phase

    async def canary_calls(self) -> int:
        """The canary's calls, also those that its circuit refused."""
        return (await self.replicas[0].status()).agents[self.agent].versions["v2"].requests


@asynccontextmanager
async def staged(folder: Path, redis_url: str, agent: str, **routing: object) -> AsyncIterator[Stage]:
    usual = ModelBehaviour(error_rate=0.02)
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(good=usual, bad=usual, spare=usual))
        files = trial(agent, standin, **{"weight": "10%", **routing})  # type: ignore[arg-type]
        gateway = {**files["gateway.yaml"], "retries": {"per_target": 0}}  # type: ignore[dict-item]
        write(folder / "config", {**files, "gateway.yaml": gateway})
        environ = {"SERINUS_STORE": redis_url, "SERINUS_ADMIN_TOKEN": ADMIN_TOKEN}
        replicas = [
            await stack.enter_async_context(serving(folder / "config", environ, f"replica-{n}")) for n in range(2)
        ]
        stage = Stage(agent, replicas, standin)
        try:
            yield stage
        finally:
            for line in (line for lane in stage.lanes for line in lane):
                line.close()


async def test_a_canary_that_dies_under_long_conversations_is_out_within_few_calls(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """A third of all conversations have failed once by then, on either arm. The canary's dozen fail again and again:
    seven times each, as their calls alternate between two replicas."""
    async with staged(tmp_path, redis_url, agent) as stage:
        names = [f"conversation {number}" for number in range(120)]
        for turn in range(20):
            await stage.turns(names, turn)
        assert await stage.phase() == "running"
        stage.standin.behave("bad", DEAD)
        before, turn = await stage.canary_calls(), 20
        while await stage.phase() == "running" and turn < 40:
            await stage.turns(names, turn)
            turn += 1
        assert await stage.phase() == "rolled_back" and await stage.canary_calls() - before <= 150


async def test_a_dead_canary_does_not_hide_behind_its_circuit_in_long_conversations(
    tmp_path: Path, redis_url: str
) -> None:
    """Few calls of each conversation are tried at its dead target, so that later conversations are tried, too; the
    fallback serves the clients."""
    agent = "a-dead-canary"  # the name draws the arms, so they are the same in each run
    async with staged(tmp_path, redis_url, agent, weight="30%", fallback=["standin/spare"]) as stage:
        stage.standin.behave("bad", DEAD)
        number = 0
        while await stage.phase() == "running" and number < 600:
            wave, turn = divmod(number, 50)
            await stage.judged_turns([f"conversation {each} of wave {wave}" for each in range(12)], turn)
            number += 1
        assert await stage.phase() == "rolled_back" and stage.standin.counts("bad").requests <= 150


async def test_a_completed_canary_that_dies_after_health_is_out_within_tens_of_calls(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """No control is left, and hundreds of good calls came before: the limit begins anew."""
    steps = [{"weight": "100%", "hold": "1s"}]
    async with staged(tmp_path, redis_url, agent, weight=None, steps=steps) as stage:
        promote = json.dumps({"to": "end", "actor": "Kim", "reason": "rehearsed"}).encode()
        epoch = (await stage.replicas[0].status()).agents[agent].epoch
        headers = (f"authorization: Bearer {ADMIN_TOKEN}", f"if-match: {epoch}")
        reply = await stage.replicas[0].ask("POST", f"/admin/agents/{agent}/promote", promote, headers)
        assert reply.status == 200, reply.body
        await stage.judged_turns([f"well {number}" for number in range(600)], 0)
        await let_control_be_lost(redis_url, stage)
        assert await stage.phase() == "completed"
        stage.standin.behave("bad", DEAD)
        before, number = await stage.canary_calls(), 0
        while await stage.phase() == "completed" and number < 400:
            await stage.judged_turns([f"ill {number + each}" for each in range(6)], 0)
            number += 6
        assert await stage.phase() == "rolled_back" and await stage.canary_calls() - before <= 60


async def let_control_be_lost(redis_url: str, stage: Stage) -> None:
    """Make the evidence five minutes older, once it is in the store."""
    client = connect(redis_url)

    async def is_aged() -> bool:
        keys = [key async for key in client.scan_iter(f"{key_of(stage.agent, 'evidence')}:*")]
        found = [key for key in keys if await client.hget(key, "canary|checks|errors")]
        for key in found:
            await client.hincrbyfloat(key, "began", -400.0)
        return bool(found)

    await until(is_aged)
    await client.aclose()
