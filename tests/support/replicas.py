"""Replicas within the test's process, over a real store: controllers that do nothing by themselves."""

import io
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic, time

from gateway import logs
from gateway.auth import Doorkeeper
from gateway.calls import Attempt, Outcome
from gateway.pricing import PriceBook
from gateway.rollout.commands import Commands
from gateway.rollout.controller import Controller
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.table import Table
from gateway.store import Memory, connect
from gateway.timings import USUAL, Timings
from policies.rollout.state import State
from routing.agents import Agent
from tests.support.faulty_store import FaultyStore

PRICES = PriceBook((), {})


@dataclass(frozen=True, slots=True)
class _Runtime:
    digest: str
    doorkeeper: Doorkeeper


@dataclass(frozen=True, slots=True)
class Replica:
    """What of a replica decides: its controller over its own table and store, and the counts it has."""

    store: FaultyStore
    table: Table
    recorder: Recorder
    controller: Controller

    @property
    def commands(self) -> Commands:
        return Commands(self.store, self.table, self.controller.records, self.controller.outages)

    def state(self, agent: str) -> State:
        state = self.table.seen(agent)
        assert state is not None
        return state

    def fail(self, agent: str, unit: str, party: str = "", origin: int = 0) -> None:
        """The canary has failed a call of that unit, and of that party; `origin` is the step in which it began."""
        state = self.state(agent)
        outcome = Outcome(
            call_id="c", caller="open", agent=agent, version="v2", reason="split", unit=unit,
            rollout=state.rollout, evidence=state.evidence, arm="canary", stream=False, received_at=0.0,
            attempts=[Attempt("standin/bad", 0.0, failure="status", status=500, counts=True)], party=party,
            origin=origin,
        )  # fmt: skip
        self.recorder.close(outcome, PRICES)

    async def configure(self, *agents: Agent) -> None:
        """Take these agents as the configuration, and bring their records to it."""
        self.install(*agents)
        await self.controller.poll()

    def install(self, *agents: Agent) -> None:
        self.table.install({agent.name: agent for agent in agents})
        self.controller.install(_Runtime("digest", Doorkeeper((), None)))  # type: ignore[arg-type]  # nothing else of it is asked for


@asynccontextmanager
async def replicas(url: str, count: int, timings: Timings = USUAL) -> AsyncIterator[list[Replica]]:
    """Replicas that do nothing by themselves."""
    made = [make_replica(url, timings=timings) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            await each.store.aclose()


def make_replica(url: str, memory: Memory | None = None, timings: Timings = USUAL) -> Replica:
    store, table, log = FaultyStore(connect(url), uuid.uuid4().hex), Table(), logs.to(io.BytesIO())
    recorder = Recorder(log, Clock(monotonic, time))
    return Replica(store, table, recorder, Controller(store, table, recorder, log, memory=memory, timings=timings))
