"""Conversations that go on at several replicas, each a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.crowd import Line, Reply
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, trial, write

LANES = 10


class Talk:
    """One conversation of a client that spreads its turns over the replicas. It sends its whole history, as most do."""

    def __init__(self, agent: str, name: str) -> None:
        self.versions: list[str] = []
        self._agent = agent
        self._messages: list[object] = []
        self._name = name
        self._before: dict[str, str] = {}

    async def turn(self, lines: Sequence[Line]) -> str:
        """Say the next thing, at the replicas in turn; which version answered."""
        reply = await self.ask(lines)
        assert reply.status == 200, reply.body
        self._messages.append(json.loads(reply.body)["choices"][0]["message"])
        self.versions.append(reply.version)
        return reply.version

    async def ask(self, lines: Sequence[Line]) -> Reply:
        """Say the next thing, whatever the answer."""
        self._messages.append({"role": "user", "content": f"{self._name}, {len(self.versions)}"})
        body = json.dumps({"model": self._agent, "messages": self._messages}).encode()
        return await lines[len(self.versions) % len(lines)].ask("POST", "/v1/chat/completions", body)


class StoredTalk(Talk):
    """One whose provider keeps its history: each turn names the answer before it."""

    async def turn(self, lines: Sequence[Line]) -> str:
        """Say the next thing, at the replicas in turn; which version answered."""
        reply = await self.ask(lines)
        assert reply.status == 200, reply.body
        self._before = {"previous_response_id": json.loads(reply.body)["id"]}
        self.versions.append(reply.version)
        return reply.version

    async def ask(self, lines: Sequence[Line]) -> Reply:
        """Say the next thing, whatever the answer."""
        asked = {"model": self._agent, "input": f"{self._name}, {len(self.versions)}", **self._before}
        line = lines[len(self.versions) % len(lines)]
        return await line.ask("POST", "/v1/responses", json.dumps(asked).encode())


@dataclass(frozen=True, slots=True)
class Stage:
    """Replicas over one store, whose files are the same folder."""

    folder: Path
    agent: str
    replicas: Sequence[Served]
    lanes: Sequence[Sequence[Line]]  # one connection to each replica, for one talk at a time
    standin: Standin

    def route(self, **entry: Any) -> None:
        """Rewrite routing.yaml with this entry for the agent."""
        route(self.folder, self.agent, **entry)

    async def begin(self, count: int, name: str) -> list[Talk]:
        """Begin that many conversations, with one turn each."""
        return await self.go_on([Talk(self.agent, f"{name} {number}") for number in range(count)])

    async def go_on(self, talks: list[Talk]) -> list[Talk]:
        """One more turn of each."""
        left = iter(talks)

        async def work(lines: Sequence[Line]) -> None:
            for talk in left:
                await talk.turn(lines)

        await asyncio.gather(*map(work, self.lanes))
        return talks

    async def until_everywhere(self, name: str, value: object) -> None:
        """Wait until the agent's status says that at every replica, and new conversations fall by it."""

        async def all_are() -> bool:
            views = [(await served.status()).agents[self.agent] for served in self.replicas]
            return all(getattr(view, name) == value for view in views)

        await until(all_are)
        await asyncio.sleep(2.5)  # a step waits for new conversations where other replicas serve

    async def until_one(self, name: str, value: object) -> None:
        """Wait until the first replica knows of that."""

        async def knows() -> bool:
            return bool(getattr((await self.replicas[0].status()).agents[self.agent], name) == value)

        await until(knows)

    async def command(self, verb: str, **more: object) -> Reply:
        """A person's command at the first replica."""
        epoch = (await self.replicas[0].status()).agents[self.agent].epoch
        body = json.dumps({"actor": "Kim", "reason": "test", **more}).encode()
        headers = (f"authorization: Bearer {ADMIN_TOKEN}", f"if-match: {epoch}")
        return await self.replicas[0].ask("POST", f"/admin/agents/{self.agent}/{verb}", body, headers)


@asynccontextmanager
async def stage(
    folder: Path, redis_url: str, agent: str, latency: float = 0.0, api: str = "openai", **entry: Any
) -> AsyncIterator[Stage]:
    """Two replicas with one agent, whose models take so many seconds."""
    async with AsyncExitStack() as stack:
        slow = ModelBehaviour(latency_seconds=latency)
        standin = await stack.enter_async_context(provider(good=slow, bad=slow))
        providers = {"standin": {"api": api, "base_url": standin.base_url}}
        write(folder / "config", {**trial(agent, standin), "gateway.yaml": {"providers": providers}})
        route(folder / "config", agent, **entry)
        served = [
            await stack.enter_async_context(serving(folder / "config", {"SERINUS_STORE": redis_url}, f"replica-{n}"))
            for n in range(2)
        ]
        lanes = [[Line(each.url) for each in served] for _ in range(LANES)]
        for line in chain.from_iterable(lanes):
            stack.callback(line.close)
        yield Stage(folder / "config", agent, served, lanes, standin)


def route(folder: Path, agent: str, **entry: Any) -> None:
    """Rewrite routing.yaml with this entry for the agent; nothing is judged."""
    write(folder, {"routing.yaml": {"agents": {agent: {"stable": "v1", "guardrails": [], **entry}}}})


@asynccontextmanager
async def looping(here: Stage, kind: type[Talk] = Talk) -> AsyncIterator[list[Talk]]:
    """Loops of conversations with four turns each, the next one at the other replica 10 ms after an answer."""
    talks: list[Talk] = []
    is_over = asyncio.Event()

    async def loop(lines: Sequence[Line]) -> None:
        while not is_over.is_set():
            talks.append(talk := kind(here.agent, f"loop {len(talks)}"))
            for _ in range(4):
                await talk.turn(lines)
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for lines in here.lanes:
            group.create_task(loop(lines))
        yield talks
        is_over.set()
