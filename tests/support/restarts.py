"""A trial in the middle of which everything dies: what it was before, and how soon it is the same again."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any, cast

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.crew import Person
from tests.support.crowd import Crowd, crowd
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import trial, write

FAILURES = 2  # of the canary's units; a third might be the rollback
UNITS = 60  # whose versions are compared


@dataclass(frozen=True, slots=True)
class Memory:
    """What a replica says of a trial, and which version it gives each of some units."""

    said: Mapping[str, Any]
    versions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Back:
    """Seconds until every replica said what was remembered, and until every replica's table had turned to it."""

    said: float
    applied: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration, its provider and its one agent."""

    folder: Path
    standin: Standin
    agent: str

    @asynccontextmanager
    async def replicas(self, environ: Mapping[str, str], *names: str) -> AsyncIterator[Sequence[Served]]:
        """Gateways that serve it."""
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(serving(self.folder, environ, name)) for name in names]

    async def proceed(self, replicas: Sequence[Served]) -> Memory:
        """A command, then calls, of which the canary fails some; what is known once all of them are counted."""
        await self.command(replicas[0])
        async with crowd(*(served.url for served in replicas)) as people:
            self.standin.behave("bad", ModelBehaviour(error_rate=1.0))
            calls = await self.until_failed(people)
            self.standin.behave("bad", ModelBehaviour())
            calls += len(await people.call_often(self.agent, 100))
        versions = await self.versions(replicas[0])
        await until(lambda: self.counts(replicas[0], calls + len(versions)))
        return Memory(await self.said(replicas[0]), versions)

    async def command(self, served: Served) -> None:
        """Give the canary another share than the configuration does. Returns once its step has begun everywhere."""
        person = Person(served.url, "kim")
        reply = await person.command(self.agent, "set-weight", 1, weight="20%")
        person.leave()
        assert reply.status == 200, reply
        await asyncio.sleep(3.5)

    async def until_failed(self, people: Crowd) -> int:
        """Call until so many calls have failed; how many calls that were."""
        failed = calls = 0
        while failed < FAILURES:
            failed += (await people.call(self.agent)).status != 200
            calls += 1
        return calls

    async def counts(self, served: Served, calls: int) -> bool:
        """Whether the status counts that many calls."""
        view = (await served.status()).agents[self.agent]
        return sum(version.requests for version in view.versions.values()) == calls

    async def said(self, served: Served) -> Mapping[str, Any]:
        """The record and the evidence as the replica shows them, without what grows with every call."""
        view = (await served.status()).agents[self.agent]
        named = ("phase", "epoch", "step", "weight", "reason", "e_value", "changed_at", "last_decision")
        return {name: getattr(view, name) for name in named}

    async def versions(self, served: Served) -> Sequence[str]:
        """Which version serves each of the units there."""
        async with crowd(served.url, saying="unit {}".format) as people:
            return [(await people.call(self.agent)).version for _ in range(UNITS)]

    async def seconds_until(self, memory: Memory, replicas: Sequence[Served]) -> Back:
        """How long it takes until all of them have that memory. Raises TimeoutError after twice a minute.

        What they say comes first: every call of the canary that goes well takes a little from the e-value. Units are
        asked once the tables have turned: ten calls that begin alike would make their opening a shared one.
        """
        began, began_at = monotonic(), time()

        async def say_it() -> bool:
            return all([await self.said(served) == memory.said for served in replicas])

        async def apply_it() -> bool:
            return all(self.turns_to(served, memory) for served in replicas)

        async def serve_by_it() -> bool:
            return all([await self.versions(served) == memory.versions for served in replicas])

        await until(say_it)
        said = monotonic() - began
        await until(apply_it)
        await until(serve_by_it)
        return Back(said, max(0.0, *(self.turns_to(served, memory)[0] - began_at for served in replicas)))

    def turns_to(self, served: Served, memory: Memory) -> Sequence[float]:
        """When that replica's table turned to the remembered epoch, in Unix seconds, by its log."""
        turns = [line for line in served.log() if line["event"] == "record_applied" and line["agent"] == self.agent]
        return [float(line["at"]) for line in turns if line["epoch"] == memory.said["epoch"]]


@asynccontextmanager
async def a_trial(folder: Path, agent: str) -> AsyncIterator[Trial]:
    """A trial at 50 %, of which nobody has begun to serve."""
    standin = Standin({})
    await standin.start()
    files = trial(agent, standin)
    files["gateway.yaml"] = {**cast(Any, files["gateway.yaml"]), "retries": {"per_target": 0}}
    try:
        yield Trial(write(folder / "config", files), standin, agent)
    finally:
        await standin.stop()
