"""What it costs to bring the counts of a tenth of a second into Redis.

    python -m bench.flush [--rounds 200] [--profile] [--write]

A recorder is filled with calls as `bench.gateways` makes them: a trial at 5 % whose thresholds are frozen, so that slow
calls, costs and their bins are in the batch, each call with a usage. Then the gateway's flusher flushes the batch into
an embedded Redis. The figures are CPU time, of this process and of Redis's, in ms a flush and in µs a call. `--profile`
prints where our own time goes. `--write` puts the table into docs/performance.md.
"""

import argparse
import cProfile
import io
import pstats
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from bench.gateways.__main__ import DOCUMENT
from bench.quoting import quote
from gateway import logs
from gateway.calls import ArmName, Attempt, Outcome, Usage
from gateway.pricing import PriceBook
from gateway.rollout.flusher import Flusher
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.table import Entry
from gateway.store import EmbeddedRedis, RedisStore, connect
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from policies.rollout.rollout import reconcile
from routing.agents import Agent, AgentVersion, RolloutStep
from routing.chain import Target

_AGENT = "bench"
_PRICES = PriceBook((), {})
_FROZEN = {"latency:0.9": 0.040, "latency:0.75": 0.030, "cost": 5_000.0}
_WARM = 20  # flushes that are not counted: the script is loaded, the sets have what they will have


@dataclass(frozen=True, slots=True)
class Load:
    """What one flush brings in. Of the canary's calls the share `failing` fails."""

    calls: int
    units: int
    failing: float = 0.0

    @property
    def title(self) -> str:
        fails = f", {self.failing:.0%} of the canary's fail" if self.failing else ""
        return f"{self.calls:,} calls of {self.units:,} conversations{fails}"


LOADS = (Load(1, 64), Load(30, 64), Load(300, 64), Load(300, 100_000), Load(300, 64, failing=0.1))


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one flush."""

    gateway: float
    redis: float


class Trial:
    """A replica in the middle of a trial at 5 %, over an embedded Redis of its own."""

    def __init__(self, client: Redis, store: RedisStore) -> None:
        self._client = client
        self._random = random.Random(1)  # the same calls in every run
        self._recorder = Recorder(logs.to(io.BytesIO(), "error"), Clock(lambda: 0.0, lambda: 1e9))
        self._flusher = Flusher(store, self._recorder)
        self._entry = _entry()

    async def measure(self, load: Load, rounds: int, profile: cProfile.Profile | None = None) -> Cost:
        """The median of our rounds, which a neighbour moves the least, and the mean of Redis's, which tells no more."""
        for _ in range(_WARM):
            self._fill(load)
            await self._flush()
        spent, before = list[float](), await self._redis_seconds()
        for _ in range(rounds):
            self._fill(load)
            began = time.process_time()
            if profile:
                profile.enable()
            await self._flush()
            if profile:
                profile.disable()
            spent.append(time.process_time() - began)
        return Cost(statistics.median(spent), (await self._redis_seconds() - before) / rounds)

    async def _flush(self) -> None:
        """Flush what waits, and do nothing about the replies: they are the controller's business."""
        async for _ in self._flusher.flush(_AGENT):
            pass

    def _fill(self, load: Load) -> None:
        for _ in range(load.calls):
            self._recorder.close(self._outcome(load), _PRICES)

    def _outcome(self, load: Load) -> Outcome:
        """One call of a unit, whose number tells its arm: one in twenty is the canary's."""
        state, draw = self._entry.state, self._random
        assert state is not None
        unit = draw.randrange(load.units)
        arm: ArmName = "stable" if unit % 20 else "canary"
        is_failing = arm == "canary" and draw.random() < load.failing
        return Outcome(
            call_id="c", caller="bench", agent=_AGENT, version="v1" if arm == "stable" else "v2",
            reason="split", unit=f"conversation {unit}", rollout=state.rollout, evidence=state.evidence, arm=arm,
            stream=False, received_at=-draw.lognormvariate(-4, 0.6), end="answered", status=200,
            attempts=[_failed() if is_failing else _good(draw.randint(50, 200))],
            thresholds=self._entry.thresholds[arm],
        )  # fmt: skip

    async def _redis_seconds(self) -> float:
        found = await self._client.info("cpu")
        return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])


def _good(output: int) -> Attempt:
    usage = Usage(120, 0, output, 0)
    return Attempt("openai/gpt-4o", 0.0, status=200, usage=usage, cost_nano_usd=300 + 10 * output)


def _failed() -> Attempt:
    return Attempt("openai/gpt-4o", 0.0, status=500, failure="status", counts=True)


def _entry() -> Entry:
    versions = {name: AgentVersion(name, Target("openai", "gpt-4o")) for name in ("v1", "v2")}
    agent = Agent(_AGENT, versions, "v1", "v2", (RolloutStep(500),), guardrails=DEFAULT_GUARDRAILS)
    entry = Entry.of(agent, None)
    decision = reconcile(None, entry.intent, now=0.0)
    assert decision is not None
    return entry.with_state(replace(decision.state, frozen=_FROZEN))


async def measure_flush(load: Load, rounds: int, profile: cProfile.Profile | None = None) -> Cost:
    """What a flush of that load costs, over a Redis that knows of nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder) / "data", log=lambda *_: None)
        await server.start()
        try:
            client = connect(f"unix://{server.socket}")
            assert isinstance(client, Redis)
            store = RedisStore(client, "bench")
            cost = await Trial(client, store).measure(load, rounds, profile)
            await store.aclose()
        finally:
            await server.stop()
    return cost


def row(load: Load, cost: Cost) -> str:
    """A line of the table."""
    each = cost.gateway / load.calls
    return f"| {load.title} | {cost.gateway * 1e3:.2f} | {each * 1e6:.1f} | {cost.redis * 1e3:.2f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and record if asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.flush")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args(arguments)
    lines = ["| a flush of | gateway, ms | a call, µs | Redis, ms |", "|---|---|---|---|"]
    for load in LOADS:
        profile = cProfile.Profile() if given.profile else None
        lines.append(row(load, uvloop.run(measure_flush(load, given.rounds, profile))))
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(18)
    print("\n".join(lines))
    if given.write:
        quote("bench.flush", lines, "python -m bench.flush --write", DOCUMENT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
