"""The budget of a canary: it is paused once over all replicas, no call is refused, and a person resumes it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.limits.rules import NANO
from gateway.rehearsal.standin import ModelBehaviour, Standin
from policies.rollout.verbs import Command
from tests.support.calling import eventually
from tests.support.running import Running, provider, running, trial, write

BUDGET = 0.002  # USD
PRICE = {"target": "standin/bad", "from": "2020-01-01", "input": 1.0, "output": 2.0}


@pytest.fixture
async def two(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[list[Running]]:
    """Two replicas with a canary that gets half of the calls, and may cost next to nothing."""
    async with AsyncExitStack() as stack:
        standin = Standin({"good": ModelBehaviour(), "bad": ModelBehaviour()})
        await standin.start()
        stack.push_async_callback(standin.stop)
        files: dict[str, Any] = trial(agent, standin, limits={"canary": {"usd": {"24h": BUDGET}}})
        files["gateway.yaml"]["prices"] = [PRICE]
        folder = write(tmp_path, files)
        yield [await stack.enter_async_context(running(folder, redis_url)) for _ in range(2)]


async def call(here: Running, agent: str, number: int) -> tuple[str, float]:
    """Who served one call of a conversation of its own, which must be answered, and what it cost."""
    body = {"model": agent, "messages": [{"role": "user", "content": f"hello {number}"}], "max_tokens": 8}
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{here.url}/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-serinus-version"], float(answer.headers.get("x-serinus-cost-usd", 0))


async def spend(two: list[Running], agent: str) -> list[float]:
    """Call until the canary gets no calls any more; what each of its calls cost."""
    costs = []
    for number in range(600):
        version, usd = await call(two[number % 2], agent, number)
        costs += [usd] if version == "v2" else []
        if is_paused(two[0], agent):
            break
    await eventually(lambda: all(is_paused(each, agent) for each in two))
    return costs


def is_paused(here: Running, agent: str) -> bool:
    state = here.gateway.services.table.seen(agent)
    return state is not None and (state.phase, state.weight, state.spent) == ("paused", 0, True)


async def test_a_spent_canary_is_paused_once_and_nobody_is_refused(two: list[Running], agent: str) -> None:
    """Over both replicas, with the figures in the audit; then stable serves all, also its conversations under way."""
    costs = await spend(two, agent)
    assert 0.85 * BUDGET < sum(costs) <= BUDGET + 4 * max(costs)
    assert {(await call(two[number % 2], agent, number))[0] for number in range(20)} == {"v1"}
    events = await two[0].store.audit(agent, 20)
    pauses = [event for event in events if event["action"] == "pause"]
    assert len(pauses) == 1 and pauses[0]["actor"] == "controller"
    assert pauses[0]["evidence"]["budget_usd"] == BUDGET and "has used up its budget" in pauses[0]["reason"]
    view = (await two[1].gateway.services.status.agents([agent]))[agent]
    assert view.phase == "paused" and view.weight == 0 and "the canary has used up its budget" in view.waits_for


async def test_a_person_resumes_a_spent_canary(two: list[Running], agent: str) -> None:
    """It gets its share again, and is paused again while its budget has no room."""
    await spend(two, agent)
    here = two[0].gateway.services
    state = here.table.seen(agent)
    assert state is not None
    resumed = await here.commands.act(agent, state.epoch, Command("resume", "ada", "the prompt was fixed"))
    assert (resumed.phase, resumed.weight, resumed.pinned, resumed.spent) == ("running", 5000, False, False)
    await spend(two, agent)


async def test_without_the_store_a_spent_canary_gets_nothing_here(two: list[Running], agent: str) -> None:
    """The replica keeps its calls off it until the store says more."""
    here = two[0]

    for number in range(400):
        with here.store.faulty("commit", "snapshot", "read", "epochs"):
            await call(here, agent, number)
            entry = here.gateway.services.table.entry(agent)
            if entry is not None and entry.is_quarantined:
                assert {(await call(here, agent, 1000 + more))[0] for more in range(20)} == {"v1"}
                return
    raise AssertionError("the canary was never kept off")


async def test_a_fallback_of_the_canary_is_its_cost(tmp_path: Path, redis_url: str, agent: str) -> None:
    """What another target took for its call counts to the nano-dollar; a call of stable does not."""
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour(error_rate=1.0)) as standin:
        limits = {"canary": {"usd": {"24h": 1}}}
        files: dict[str, Any] = trial(
            agent, standin, weight="60%", limits=limits, guardrails=[], fallback=["standin/good"]
        )
        files["gateway.yaml"] |= {"prices": [{**PRICE, "target": "standin/good"}], "retries": {"per_target": 0}}
        async with running(write(tmp_path, files), redis_url) as here:
            found = [await call(here, agent, number) for number in range(30)]
            holders = here.gateway.services.proxy.limits.named_holders()
            (holder,) = (each for each in holders if each.rules.level == "canary")
            spent = round(sum(usd for version, usd in found if version == "v2") * NANO)
            assert 0 < spent < round(sum(usd for _, usd in found) * NANO)
            ledger = holder.ledgers[0]
            await eventually(lambda: ledger.used() + ledger.charge == spent)
