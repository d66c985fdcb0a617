"""Interactions that Google keeps are conversations: each turn stays on the version that the first one had."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.support.crowd import Line
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import provider, trial, write

PAUSE = 0.01  # seconds between an answer and the next turn, as in an agent's loop


@dataclass(slots=True)
class Chain:
    """One client's interactions, each of which goes on from the last, at the replicas in turn."""

    agent: str
    lines: Sequence[Line]
    name: str
    versions: list[str] = field(default_factory=list)
    last: str = ""

    async def turn(self) -> None:
        body = {"model": self.agent, "input": f"{self.name}, {len(self.versions)}"}
        body |= {"previous_interaction_id": self.last} if self.last else {}
        line = self.lines[len(self.versions) % len(self.lines)]
        reply = await line.ask("POST", "/v1beta/interactions", json.dumps(body).encode())
        assert reply.status == 200, reply.body
        self.last = json.loads(reply.body)["id"]
        self.versions.append(reply.version)
        await asyncio.sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class Stage:
    """Two replicas over one store, and a connection to each for every chain."""

    folder: Path
    agent: str
    replicas: Sequence[Served]
    stack: AsyncExitStack
    numbers: "count[int]" = field(default_factory=count)

    def route(self, **entry: object) -> None:
        """Rewrite routing.yaml with this entry for the agent; nothing is judged."""
        write(self.folder, {"routing.yaml": {"agents": {self.agent: {"stable": "v1", "guardrails": [], **entry}}}})

    async def begin(self, number: int, turns: int) -> list[Chain]:
        """Begin that many chains, with that many turns each, all at the same time."""
        chains = [Chain(self.agent, self._lines(), f"question {next(self.numbers)}") for _ in range(number)]
        await self.go_on(chains, turns)
        return chains

    async def go_on(self, chains: Sequence[Chain], turns: int) -> None:
        async def work(chain: Chain) -> None:
            for _ in range(turns):
                await chain.turn()

        await asyncio.gather(*map(work, chains))

    def _lines(self) -> list[Line]:
        lines = [Line(each.url) for each in self.replicas]
        for line in lines:
            self.stack.callback(line.close)
        return lines


@asynccontextmanager
async def stage(folder: Path, redis_url: str, agent: str, **entry: object) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider())
        google = {"standin": {"api": "gemini", "base_url": f"{standin.root_url}/v1beta"}}
        write(folder / "config", {**trial(agent, standin), "gateway.yaml": {"providers": google}})
        replicas: list[Served] = []
        here = Stage(folder / "config", agent, replicas, stack)
        here.route(**entry)
        environ = {"SERINUS_STORE": redis_url}
        for number in range(2):
            replicas.append(await stack.enter_async_context(serving(folder / "config", environ, f"replica-{number}")))
        yield here


async def test_loops_over_replicas_keep_their_version(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The next turn comes after 10 ms at the other replica, and names nothing but the last answer."""
    async with stage(tmp_path, redis_url, agent, canary="v2", weight="50%") as here:
        await here.begin(2, turns=2)
        await asyncio.sleep(0.5)  # from now on each replica knows that the other serves the agent, too
        chains = await here.begin(24, turns=6)
        assert [chain.versions for chain in chains if len(set(chain.versions)) > 1] == []
        assert {chain.versions[0] for chain in chains} == {"v1", "v2"}


async def test_a_trial_moves_none_of_them(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Those that began before it stay on stable, however high the canary's weight; new ones fall by it."""
    async with stage(tmp_path, redis_url, agent) as here:
        old = await here.begin(12, turns=2)
        here.route(canary="v2", weight="90%")

        async def is_everywhere() -> bool:
            views = [(await served.status()).agents[agent] for served in here.replicas]
            return all(view.weight == 0.9 for view in views)

        await until(is_everywhere)
        await asyncio.sleep(2.5)  # a step waits for new conversations where other replicas serve
        new = await here.begin(12, turns=2)
        await here.go_on(old, turns=2)
        assert {version for chain in old for version in chain.versions} == {"v1"}
        assert "v2" in {chain.versions[0] for chain in new}
        assert all(len(set(chain.versions)) == 1 for chain in new)
