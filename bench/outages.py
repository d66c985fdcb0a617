"""Whether an outage that both versions share rolls a blameless canary back: running gateways, and a stand-in provider.

    python -m bench.outages [--rounds 3] [--calls 10000] [--replicas 2] [--write]

Both versions run on models of their own at one provider, and each model fails 30 % of its calls alike; latencies are
drawn alike, too. The circuits, the retries and the guardrails are the defaults. Every round is a trial of its own,
with its own seed, over so many calls or until its canary is rolled back. The last rows are the other way round: a
canary that fails alone must go. A round takes about half a minute. `--write` puts the table into docs/statistics.md.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.quoting import quote
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import AgentView
from gateway.store import EmbeddedRedis
from tests.support.crowd import Crowd, crowd
from tests.support.processes import Served, serving
from tests.support.running import write

AGENT = "agent"
AT_ONCE = 32  # callers side by side
BETWEEN_LOOKS = 500  # calls


@dataclass(frozen=True, slots=True)
class World:
    """The share of calls that fail on stable's model and on the canary's, and whether the canary is to go."""

    name: str
    weight: str
    stable: float
    canary: float
    goes: bool = False


SHARED = [World("both fail 30 %", weight, 0.3, 0.3) for weight in ("5%", "50%", "90%")]
DOWN = [World("both fail every call", weight, 1.0, 1.0) for weight in ("5%", "50%", "90%")]
ALONE = [World("the canary fails every call", weight, 0.01, 1.0, goes=True) for weight in ("5%", "50%", "90%")]
HALF = [World("the canary fails half of its calls", weight, 0.01, 0.5, goes=True) for weight in ("5%", "50%", "90%")]
WORLDS = (*SHARED, *DOWN, *ALONE, *HALF)


@dataclass(frozen=True, slots=True)
class Seen:
    """How a trial ended: the canary's calls by its version's sums, those that the last decision rests on, the highest
    e-value."""

    rolled_back: bool
    calls: int
    decided_by: int
    e_value: float
    reason: str


def files(world: World, standin: Standin) -> Mapping[str, object]:
    """One agent whose versions differ in nothing but the names of their models."""
    return {
        "gateway.yaml": {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}},
        "routing.yaml": {"agents": {AGENT: {"stable": "v1", "canary": "v2", "weight": world.weight}}},
        f"agents/{AGENT}/v1.yaml": {"model": "standin/one"},
        f"agents/{AGENT}/v2.yaml": {"model": "standin/two"},
    }


@asynccontextmanager
async def trial(world: World, seed: int, replicas: int) -> AsyncIterator[tuple[list[Served], Crowd]]:
    """Gateways as processes of their own, and the callers before them; the provider runs in this process."""
    models = {
        name: ModelBehaviour(error_rate=rate, seed=seed, latency_seconds=0.01, latency_p90_seconds=0.03)
        for name, rate in (("one", world.stable), ("two", world.canary))
    }
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = EmbeddedRedis(folder / "redis", log=lambda *_: None)
        environ = {"SERINUS_STORE": await redis.start()}
        stack.push_async_callback(redis.stop)
        standin = Standin(models)
        await standin.start()
        stack.push_async_callback(standin.stop)
        config = write(folder / "config", files(world, standin))
        served = [await stack.enter_async_context(serving(config, environ, f"r{n}")) for n in range(replicas)]
        people = await stack.enter_async_context(
            crowd(*(each.url for each in served), saying=f"question {{}} of {seed}".format)
        )
        yield served, people


async def run(world: World, seed: int, calls: int, replicas: int) -> Seen:
    """One trial."""
    async with trial(world, seed, replicas) as (served, people):
        highest, view = 1.0, await _view(served[0])
        for _ in range(0, calls, BETWEEN_LOOKS):
            await people.call_often(AGENT, BETWEEN_LOOKS, AT_ONCE)
            view = await _view(served[0])
            highest = max(highest, view.e_value, *(each.e_value for each in view.guardrails))
            if view.phase != "running":
                break
        evidence: Mapping[str, Any] = (view.last_decision and view.last_decision.evidence) or {}
        return Seen(
            view.phase == "rolled_back",
            view.versions["v2"].requests,
            evidence.get("canary_requests", 0),
            highest,
            view.reason,
        )


async def _view(served: Served) -> AgentView:
    await asyncio.sleep(0.3)  # what was counted lately is flushed by then
    return (await served.status()).agents[AGENT]


def row(world: World, seen: list[Seen]) -> str:
    """One line of the table."""
    gone = sum(each.rolled_back for each in seen)
    took = sorted(each.decided_by for each in seen if each.rolled_back)
    calls = sum(each.calls for each in seen)
    wanted = "all" if world.goes else "none"
    return (
        f"| {world.name} | {world.weight.replace('%', ' %')} | {len(seen)} | {calls:,} | {gone} ({wanted}) | "
        f"{f'{took[len(took) // 2]:,} / {took[-1]:,}' if took else '–'} | {max(each.e_value for each in seen):.3g} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--worlds", default="", help="only those whose name and weight contain this")
    parser.add_argument("--write", action="store_true", help="write docs/statistics.md")
    args = parser.parse_args()
    lines = [
        "| world | weight | rounds | canary calls | rolled back | its calls until then: median / most | highest E |",
        "|---|---|---|---|---|---|---|",
    ]
    for world in WORLDS:
        if args.worlds in f"{world.name}, {world.weight}":
            seen = [asyncio.run(run(world, seed, args.calls, args.replicas)) for seed in range(args.rounds)]
            lines.append(row(world, seen))
            print(lines[-1], *(f"    {each.reason}" for each in seen if each.rolled_back), sep="\n", flush=True)
    if args.write:
        command = f"python -m bench.outages --rounds {args.rounds} --calls {args.calls} --replicas {args.replicas}"
        quote("bench.outages", lines, f"{command} --write")


if __name__ == "__main__":
    main()
