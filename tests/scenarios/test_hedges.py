"""Hedges under a trial: they hide neither a slow canary nor a broken one, and they blame no innocent one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import AgentView
from tests.support.crowd import Crowd, crowd
from tests.support.running import Running, running, trial, write

AT_ONCE = 16
ENOUGH_TO_FREEZE = 1200  # calls, of which half are stable's: thresholds are taken from 500
USUAL = ModelBehaviour(latency_seconds=0.04, latency_p90_seconds=0.12)
QUICK = ModelBehaviour(latency_seconds=0.005)
# An attempt is late long before it would be slow, and most that are late may be hedged: the widest cloak there is.
WIDE = {"after": "60ms", "budget": "50%"}
USUAL_HEDGE = {"after": "p95", "budget": "5%"}


@dataclass(slots=True)
class Trial:
    """An agent whose canary gets half of the calls, and the models of both at the stand-in: `good` and `bad`."""

    agent: str
    standin: Standin
    gateway: Running
    people: Crowd

    async def calls(self, most: int) -> None:
        """Call the agent so often, or until its canary is out."""
        for _ in range(0, most, 4 * AT_ONCE):
            await self.people.call_often(self.agent, 4 * AT_ONCE, AT_ONCE)
            if (await self.view()).phase != "running":
                return

    async def view(self) -> AgentView:
        """What the status says of the agent."""
        return (await self.gateway.gateway.services.status.agents([self.agent]))[self.agent]


@asynccontextmanager
async def hedged_trial(
    folder: Path,
    redis_url: str,
    agent: str,
    hedge: dict[str, str],
    fallback: str = "standin/backup",
    answer: str = "1m",
) -> AsyncIterator[Trial]:
    """Both versions alike, and a target to hedge to that answers at once."""
    standin = Standin({"good": USUAL, "bad": USUAL, "backup": QUICK})
    await standin.start()
    files = trial(agent, standin, fallback=[fallback], hedge=hedge)
    settings: Any = files["gateway.yaml"]
    settings["timeouts"] = {"answer": answer}
    write(folder, files)
    try:
        async with running(folder, redis_url) as gateway, crowd(gateway.url) as people:
            yield Trial(agent, standin, gateway, people)
    finally:
        await standin.stop()


def seen_to_fail(view: AgentView) -> list[str]:
    return [finding.text for finding in view.guardrails if finding.verdict == "breached"]


@pytest.mark.parametrize("hedge", [WIDE, USUAL_HEDGE], ids=["wide", "usual"])
async def test_a_slow_canary_does_not_hide_behind_its_hedge(
    tmp_path: Path, redis_url: str, agent: str, hedge: dict[str, str]
) -> None:
    """Its clients may hardly notice, because the hedge answers them; it is rolled back for its latency all the same."""
    async with hedged_trial(tmp_path, redis_url, agent, hedge) as here:
        await here.calls(ENOUGH_TO_FREEZE)
        here.standin.behave("bad", ModelBehaviour(latency_seconds=0.3))
        await here.calls(4000)
        view = await here.view()
    assert (view.phase, seen_to_fail(view)) == ("rolled_back", ["latency_p90 <= stable * 1.10"])
    assert view.versions["v2"].hedges_won > 0 and view.versions["v1"].hedges_won > 0


async def test_a_hanging_canary_does_not_hide_behind_its_hedge(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Half of its conversations have no hedge, and a few of them are enough."""
    async with hedged_trial(tmp_path, redis_url, agent, WIDE, answer="500ms") as here:
        await here.calls(128)
        served = here.standin.counts("bad").requests
        here.standin.behave("bad", ModelBehaviour(error_rate=1, fault="hang"))
        await here.calls(1000)
        view, hung = await here.view(), here.standin.counts("bad").requests - served
    assert (view.phase, seen_to_fail(view)) == ("rolled_back", ["error_rate <= stable * 1.25"])
    assert hung <= 64 + AT_ONCE


@pytest.mark.parametrize("fallback", ["standin/backup", "standin/bad"], ids=["both hedged", "stable alone is hedged"])
async def test_hedges_blame_no_innocent_canary(tmp_path: Path, redis_url: str, agent: str, fallback: str) -> None:
    """Not where both are hedged, and not where the only other target is its own, so that stable alone is."""
    async with hedged_trial(tmp_path, redis_url, agent, WIDE, fallback) as here:
        await here.calls(ENOUGH_TO_FREEZE + 1000)
        view = await here.view()
    assert (view.phase, view.e_value < 10) == ("running", True)
    assert (view.versions["v2"].hedges > 0) is (fallback == "standin/backup")
    assert view.versions["v1"].hedges > 100
