"""An outage that both versions share blames neither of them, however their circuits open; a canary alone is blamed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import AgentView
from tests.support.crowd import Crowd, crowd
from tests.support.running import Running, provider, running, write

WEIGHTS = ("5%", "50%", "90%")
SIDE_BY_SIDE = 24


def own_models(agent: str, weight: str, standin: Standin, fallback: list[str]) -> dict[str, object]:
    """A trial whose versions have models of their own at one provider; circuits and retries are the defaults."""
    return {
        "gateway.yaml": {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}},
        "routing.yaml": {"agents": {agent: {"stable": "v1", "canary": "v2", "weight": weight, "fallback": fallback}}},
        f"agents/{agent}/v1.yaml": {"model": "standin/one"},
        f"agents/{agent}/v2.yaml": {"model": "standin/two"},
    }


@asynccontextmanager
async def outage(
    folder: Path, redis_url: str, agent: str, weight: str, *, fallback: list[str] | None = None, **rates: float
) -> AsyncIterator[tuple[list[Running], Standin, Crowd]]:
    """Two gateways, and a provider whose models `one` (stable's) and `two` fail that share of their calls."""
    models = {
        name: ModelBehaviour(error_rate=rate, latency_seconds=0.004, latency_p90_seconds=0.012)
        for name, rate in rates.items()
    }
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(**models))
        write(folder, own_models(agent, weight, standin, fallback or []))
        gateways = [await stack.enter_async_context(running(folder, redis_url)) for _ in range(2)]
        yield gateways, standin, await stack.enter_async_context(crowd(*(each.url for each in gateways)))


async def view(gateway: Running, agent: str) -> AgentView:
    """What the status says once all is flushed."""
    await asyncio.sleep(0.3)
    return (await gateway.gateway.services.status.agents([agent]))[agent]


def highest(found: AgentView) -> float:
    """The largest e-value that anything shows."""
    return max(found.e_value, *(each.e_value for each in found.guardrails))


@pytest.mark.parametrize(("rate", "weight"), [*((0.3, weight) for weight in WEIGHTS), (1.0, "90%")])
async def test_an_outage_of_both_own_models_proves_nothing(
    tmp_path: Path, redis_url: str, agent: str, weight: str, rate: float
) -> None:
    """Both fail alike, and the busier arm's circuit is open far more often."""
    async with outage(tmp_path, redis_url, agent, weight, one=rate, two=rate) as (gateways, _, people):
        await people.call_often(agent, 1800, SIDE_BY_SIDE)
        found = await view(gateways[0], agent)
    assert found.phase == "running" and highest(found) < 100


@pytest.mark.parametrize(("weight", "bound"), [("5%", 8), ("50%", 60), ("90%", 400)])
async def test_a_canary_that_is_dead_alone_does_not_hide_behind_its_circuit(
    tmp_path: Path, redis_url: str, agent: str, weight: str, bound: int
) -> None:
    """Its calls go on to its dead target until that is proven."""
    async with outage(tmp_path, redis_url, agent, weight, one=0.0, two=1.0) as (gateways, _, people):
        found = await view(gateways[0], agent)
        for _ in range(100):
            await people.call_often(agent, 40, SIDE_BY_SIDE)
            if (found := await view(gateways[0], agent)).phase != "running":
                break
    assert found.phase == "rolled_back"
    assert found.versions["v2"].requests <= bound


async def test_circuits_spare_the_clients_of_an_outage_that_both_arms_share(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """With both circuits open nobody waits for a dead target: the fallback answers, and no call is evidence."""
    rates = {"one": 1.0, "two": 1.0, "spare": 0.0}
    async with outage(tmp_path, redis_url, agent, "50%", fallback=["standin/spare"], **rates) as parts:
        gateways, standin, people = parts
        await people.call_often(agent, 200, SIDE_BY_SIDE)
        before = standin.counts("one").requests + standin.counts("two").requests
        replies = await people.call_often(agent, 400, SIDE_BY_SIDE)
        found = await view(gateways[0], agent)
        asked = standin.counts("one").requests + standin.counts("two").requests - before
    assert {reply.status for reply in replies} == {200} and asked <= 20
    assert sum(found.versions[name].censored for name in ("v1", "v2")) >= 380
