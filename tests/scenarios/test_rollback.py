"""A bad canary is taken out by itself, within a handful of its own calls; an innocent one is not."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.crowd import Crowd, crowd
from tests.support.processes import command, serving
from tests.support.redis_servers import until
from tests.support.running import Running, provider, running, write

REPLICAS = 3
CANARY_AT_5_PERCENT = "5%"
SIDE_BY_SIDE = 4  # callers of one agent at the same time


def many_trials(agents: list[str], standin: Standin) -> dict[str, object]:
    """Agents whose versions are alike but for their models: `good-<agent>` and `bad-<agent>`, both at the stand-in."""
    provider = {"api": "openai", "base_url": standin.base_url}
    files: dict[str, object] = {
        "gateway.yaml": {"providers": {"standin": provider}, "retries": {"per_target": 0}},
        "routing.yaml": {
            "agents": {each: {"stable": "v1", "canary": "v2", "weight": CANARY_AT_5_PERCENT} for each in agents}
        },
    }
    for each in agents:
        files[f"agents/{each}/v1.yaml"] = {"model": f"standin/good-{each}"}
        files[f"agents/{each}/v2.yaml"] = {"model": f"standin/bad-{each}"}
    return files


@asynccontextmanager
async def replicas(
    folder: Path, redis_url: str, agents: list[str], behaviours: Mapping[str, ModelBehaviour]
) -> AsyncIterator[tuple[list[Running], Standin, Crowd]]:
    """Three gateways over one store, the provider behind them, and the clients before them."""
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(**behaviours))
        write(folder, many_trials(agents, standin))
        gateways = [await stack.enter_async_context(running(folder, redis_url)) for _ in range(REPLICAS)]
        yield gateways, standin, await stack.enter_async_context(crowd(*(each.url for each in gateways)))


async def call_until_rolled_back(gateways: list[Running], people: Crowd, agent: str, most: int) -> None:
    """Call the agent until every replica has taken its canary out; at most so often."""
    for _ in range(0, most, SIDE_BY_SIDE):
        await people.call_often(agent, SIDE_BY_SIDE, SIDE_BY_SIDE)
        if not any(is_on_trial(each, agent) for each in gateways):
            return


def is_on_trial(running: Running, agent: str) -> bool:
    entry = running.gateway.services.table.entry(agent)
    return entry is not None and entry.on_trial


def phase(running: Running, agent: str) -> str | None:
    entry = running.gateway.services.table.entry(agent)
    return entry.state.phase if entry and entry.state else None


@pytest.mark.parametrize("error_rate, rounds, bound", [(0.3, 20, 200), (1.0, 20, 8)])
async def test_a_bad_canary_is_rolled_back_within_few_of_its_calls(
    tmp_path: Path, redis_url: str, agent: str, error_rate: float, rounds: int, bound: int
) -> None:
    """At 5 % of the traffic, over three replicas: the 95th percentile of its calls until it serves none more."""
    agents = [f"{agent}-{seed}" for seed in range(rounds)]
    behaviours = {f"bad-{each}": ModelBehaviour(error_rate=error_rate, seed=seed) for seed, each in enumerate(agents)}
    async with replicas(tmp_path, redis_url, agents, behaviours) as (gateways, standin, people):
        await asyncio.gather(*(call_until_rolled_back(gateways, people, each, 8000) for each in agents))
        assert {phase(each, name) for each in gateways for name in agents} == {"rolled_back"}
        served = sorted(standin.counts(f"bad-{each}").requests for each in agents)
    assert served[int(0.95 * rounds) - 1] <= bound


@pytest.mark.parametrize("error_rate, calls", [(0.3, 600), (1.0, 200)])
async def test_an_outage_of_both_versions_rolls_nothing_back(
    tmp_path: Path, redis_url: str, agent: str, error_rate: float, calls: int
) -> None:
    """The provider fails for everybody, a third of the calls or all of them: no canary is taken out."""
    agents = [f"{agent}-{seed}" for seed in range(8)]
    behaviours = {
        f"{arm}-{each}": ModelBehaviour(error_rate=error_rate, seed=seed * 100 + len(arm))
        for seed, each in enumerate(agents)
        for arm in ("good", "bad")
    }
    async with replicas(tmp_path, redis_url, agents, behaviours) as (gateways, _, people):
        await asyncio.gather(*(people.call_often(each, calls, SIDE_BY_SIDE) for each in agents))
        assert {phase(each, name) for each in gateways for name in agents} == {"running"}


async def test_processes_agree_on_one_rollback_and_can_prove_it(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Two `serinus serve` over one store: both turn, the next calls go to stable, and one event holds the evidence."""
    async with provider(**{f"bad-{agent}": ModelBehaviour(error_rate=1.0)}) as standin:
        folder = write(tmp_path / "config", many_trials([agent], standin))
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
            async with crowd(one.url, two.url) as people:

                async def is_out() -> bool:
                    await people.call_often(agent, 20)
                    views = [(await each.status()).agents[agent] for each in (one, two)]
                    return all(view.phase == "rolled_back" and view.weight == 0.0 for view in views)

                await until(is_out)
                replies = await people.call_often(agent, 100)
                assert {(reply.status, reply.version) for reply in replies} == {(200, "v1")}
            rollback = json.loads((await command("audit", agent, "--json", SERINUS_URL=one.url)).out.splitlines()[0])
        assert (rollback["action"], rollback["actor"]) == ("roll_back", "controller")
        assert rollback["evidence"]["canary_failing"] >= 3 and rollback["evidence"]["e_value"] >= 100
        assert standin.counts(f"bad-{agent}").requests <= 10
