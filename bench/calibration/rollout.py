"""One simulated rollout: whole gateways over a real Redis, on virtual time, with clients and a provider in memory."""

import asyncio
import hashlib
import math
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from bench.calibration.clients import NOTHING_MORE, Exchanged, arrivals, chat, score
from bench.calibration.clock import VirtualLoop
from bench.calibration.provider import CANARY, NAME, SPARE, STABLE, MemoryProvider, Said
from bench.calibration.scenario import Scenario
from bench.calibration.store import Line, VirtualStore
from gateway import logs
from gateway.api.endpoint import Handler
from gateway.config import Deployment, load
from gateway.errors import StoreAway
from gateway.replica.replica import Gateway, Seams, build
from gateway.rollout.findings import evidence_of, findings_of
from gateway.store import OpenStore, connect
from tests.support.running import write

AGENT = "agent"
LOOK_SECONDS = 2.0  # between two looks at the e-values, which are for the eye alone
_REST_SECONDS = 3.0  # after the last call: all is flushed and judged by then
_QUIET = Said().text("nothing in particular")
_SECRET = {"KEY": "thirty-two letters, of a simulation"}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a rollout ended: whether the canary was rolled back, the calls that it had by then, those that the decision
    rests on, the highest e-value that a look saw, virtual seconds, and the reason."""

    seed: int
    rolled_back: bool
    calls: int
    decided_by: int
    e_value: float
    seconds: float
    reason: str


def files(scenario: Scenario, seed: int) -> Mapping[str, object]:
    """The configuration: versions that differ in their models' names, and in a prompt that makes each rollout's split
    its own."""
    models = (STABLE, CANARY, SPARE)
    prices = [
        {"target": f"{NAME}/{model}", "from": "2026-01-01", "input": 2.5, "cached_input": 0.25, "output": 10}
        for model in models
    ]
    agent = {"stable": "v1", "canary": "v2", "weight": scenario.weight, **scenario.routing}
    agent = {name: value for name, value in agent.items() if value is not None}
    keys = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in scenario.callers}
    account = {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}
    return {
        "gateway.yaml": {
            "providers": {NAME: account},
            "prices": prices,
            "fingerprint_key": "${KEY}",
            **({"keys": keys} if keys else {}),
            **scenario.gateway,
        },
        "routing.yaml": {"agents": {AGENT: agent}},
        f"agents/{AGENT}/v1.yaml": {"model": f"{NAME}/{STABLE}", "system_prompt": "Be kind."},
        f"agents/{AGENT}/v2.yaml": {"model": f"{NAME}/{CANARY}", "system_prompt": f"Be kind, number {seed}."},
    }


def deployment(scenario: Scenario, seed: int) -> Deployment:
    """The configuration, loaded as `serve` loads it."""
    with tempfile.TemporaryDirectory() as folder:
        return load(write(Path(folder), files(scenario, seed)), _SECRET)


@dataclass(slots=True)
class Simulation:
    """One rollout that runs. `switch` stops and starts the store's server."""

    scenario: Scenario
    seed: int
    loop: VirtualLoop
    gateways: list[Gateway]
    provider: MemoryProvider
    chance: random.Random
    switch: Callable[[bool], None]
    calls: int = 0
    strikes: int = 0
    highest: float = 1.0
    rolled_back: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Ended:
        """Let the clients call until the canary is gone, or has had its calls."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look())
            talking = tasks.create_task(self._talk())
            others = [tasks.create_task(each) for each in (self._stop_store(), self._attack())]
            gone = tasks.create_task(self.rolled_back.wait())
            await asyncio.wait({talking, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                await asyncio.sleep(_REST_SECONDS)
            for task in (looking, talking, gone, *others):
                task.cancel()
        event = (await self.gateways[0].services.store.audit(AGENT, 1))[0]
        evidence = event.get("evidence") or {}
        is_gone = self._is_gone()
        return Ended(
            self.seed, is_gone, self.calls, evidence.get("canary_requests", 0) if is_gone else 0,
            round(self.highest, 4), round(self.loop.now, 1), event["reason"] if is_gone else "",
        )  # fmt: skip

    async def _talk(self) -> None:
        scenario = self.scenario
        conversations = max(round(scenario.horizon / scenario.turns), 1)
        async with asyncio.TaskGroup() as tasks:
            async for number in arrivals(self._rate, self.chance, conversations):
                tasks.create_task(self._converse(number))

    def _rate(self) -> float:
        return self.scenario.rps / self.scenario.turns * self.scenario.rate(self.loop.now)

    async def _converse(self, number: int) -> None:
        """Hold a conversation: its calls one after the other, each at any replica."""
        scenario, chance = self.scenario, self.chance
        said = scenario.words(chance, number)
        text = said.text(scenario.template(number) or f"conversation {number} of {self.seed}")
        name = f"{self.seed}-{number}" if scenario.named else ""
        key = scenario.caller(chance)
        turns = 1 if scenario.turns == 1.0 else math.ceil(chance.expovariate(1 / scenario.turns))
        turn = 0
        while turn < turns:
            if turn:
                await asyncio.sleep(chance.expovariate(1 / scenario.pause))
            more = scenario.asks(text, chance, turn) if scenario.asks else NOTHING_MORE
            answered = await self._call(text, name, key, more)
            if not turn:
                turns = round(turns * scenario.lengthens.get(answered.version, 1.0))
            turn += 1
            if scenario.gives_up and answered.status != 200:
                return
            if scenario.scored and answered.status == 200 and chance.random() < scenario.scored:
                mean = scenario.quality.get(answered.version, 0.9)
                await score(self._any_replica(), answered.call_id, float(chance.random() < mean), key)

    async def _call(self, text: str, name: str, key: str, more: Mapping[str, Any] = NOTHING_MORE) -> Exchanged:
        answered = await chat(self._any_replica(), AGENT, text, name, key, self.scenario.patience, more)
        self.calls += answered.version == "v2"
        if self._is_gone():
            self.rolled_back.set()
        return answered

    def _any_replica(self) -> Handler:
        return self.gateways[int(self.chance.random() * len(self.gateways))].asgi

    def _is_gone(self) -> bool:
        states = (gateway.services.table.seen(AGENT) for gateway in self.gateways)
        return any(state is not None and state.phase == "rolled_back" for state in states)

    async def _attack(self) -> None:
        """One caller finds units of the canary, and does there what it never does on stable's: a tenth of all calls."""
        if self.scenario.attack is None:
            return
        _, said, mark = self.scenario.attack
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(self.chance.expovariate(self.scenario.rps / 10))
                tasks.create_task(self._strike(said, mark))

    async def _strike(self, said: Said, mark: float | None) -> None:
        self.strikes += 1
        name, key = f"{self.seed}-m{self.strikes}", self.scenario.callers[-1]
        found = await self._call(_QUIET, name, key)
        if found.version != "v2":
            return
        struck = await self._call(said.text(name), name, key)
        if mark is not None and struck.status == 200:
            await score(self._any_replica(), struck.call_id, mark, key)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(StoreAway):
                self.highest = max(self.highest, await self._e_value())

    async def _e_value(self) -> float:
        services = self.gateways[0].services
        snapshot, entry = await services.store.snapshot(AGENT), services.table.entry(AGENT)
        if entry is None or snapshot.state is None:
            return 1.0
        entry = entry.with_state(snapshot.state)
        return findings_of(entry, evidence_of(snapshot.state, snapshot.sides)).assessment.e_value

    async def _stop_store(self) -> None:
        if self.scenario.store_away is None:
            return
        at, seconds = self.scenario.store_away
        await asyncio.sleep(at)
        self.switch(False)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.switch(True)


@asynccontextmanager
async def _simulating(scenario: Scenario, seed: int, url: str, switch: Callable[[bool], None]) -> AsyncIterator[Any]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    chance = random.Random(f"{scenario.name}/{seed}")
    line, wanted, log = Line(loop), deployment(scenario, seed), logs.to(BytesIO(), "critical")
    dice = random.Random(f"provider/{scenario.name}/{seed}")
    spring = MemoryProvider(scenario.climate, dice, loop.time, scenario.seconds)
    async with AsyncExitStack() as stack:
        gateways = []
        for number in range(scenario.replicas):
            replica = f"{number + 1:012x}"
            client = connect(url)
            if not number:
                await _empty(client, loop)
            store = OpenStore(VirtualStore(client, replica, line), "redis", None)
            seams = Seams(loop.clock(), random.Random(f"{replica}/{seed}").random, spring.transport(number))
            gateway = build(wanted, store, replica, log, seams=seams)
            stack.push_async_callback(gateway.stop)
            await gateway.agree_on_key()
            await gateway.services.controller.poll()
            gateway.keep(gateway.services.controller.run)
            if scenario.shares:
                gateway.keep(gateway.sharing.tell_for_ever)
                gateway.keep(gateway.sharing.follow_for_ever)
            gateways.append(gateway)
        await asyncio.sleep(1)
        yield Simulation(scenario, seed, loop, gateways, spring, chance, switch)


async def _empty(client: Any, loop: VirtualLoop) -> None:
    """Forget the rollouts before this one."""
    loop.waiting += 1
    await client.flushall()
    loop.waiting -= 1


async def _simulate(scenario: Scenario, seed: int, url: str, switch: Callable[[bool], None]) -> Ended:
    async with _simulating(scenario, seed, url, switch) as simulation:
        ended: Ended = await simulation.run()
    return ended


def simulate(scenario: Scenario, seed: int, url: str, switch: Callable[[bool], None]) -> Ended:
    """One rollout from its start to its end. The Redis at `url` is emptied first."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_simulate(scenario, seed, url, switch))
