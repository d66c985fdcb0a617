"""The store dies, hangs, forgets or is not there: calls go on, nothing is counted twice, and no bad canary returns."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import Crowd, Reply, ask, crowd
from tests.support.processes import Served, serving, start, until_booked, until_serving
from tests.support.redis_servers import ENOUGH_SECONDS, ExternalRedis, child_of, until
from tests.support.running import Running, provider, running, trial, write
from tests.support.waiting import SOON, within

SIDE_BY_SIDE = 4


class Load:
    """Calls that go on in the background until they are asked for."""

    def __init__(self, people: Crowd, agent: str) -> None:
        self._over = asyncio.Event()
        self.replies: list[Reply] = []
        self._tasks = [asyncio.create_task(self._work(people, agent)) for _ in range(SIDE_BY_SIDE)]

    async def _work(self, people: Crowd, agent: str) -> None:
        while not self._over.is_set():
            self.replies.append(await people.call(agent))
            await asyncio.sleep(0.005)

    async def end(self) -> list[Reply]:
        self._over.set()
        await asyncio.gather(*self._tasks)
        return self.replies


async def test_a_killed_embedded_store_costs_no_call_and_no_count(tmp_path: Path, agent: str) -> None:
    """kill -9 of the private Redis under load, three times: it comes back by itself, and the books are exact."""
    async with provider() as standin, one_gateway(tmp_path, trial(agent, standin)) as (served, people):
        load = Load(people, agent)
        for _ in range(3):
            await asyncio.sleep(0.7)
            os.kill(child_of(served.process.pid), signal.SIGKILL)
        await asyncio.sleep(0.5)
        replies = await load.end()
        assert {reply.status for reply in replies} == {200} and len(replies) > 100
        await until_booked(served, agent, len(replies))
        assert (await served.status()).agents[agent].phase == "running"


@asynccontextmanager
async def one_gateway(folder: Path, files: Mapping[str, object]) -> AsyncIterator[tuple[Served, Crowd]]:
    async with serving(write(folder / "config", files), {}) as served, crowd(served.url) as people:
        yield served, people


async def test_a_killed_external_store_costs_no_call_and_no_count(
    tmp_path: Path, agent: str, external: ExternalRedis
) -> None:
    """Two gateways over a Redis that is killed under load and comes back after a while with its append-only file."""
    environ = {"SERINUS_STORE": external.url}
    async with provider() as standin:
        folder = write(tmp_path / "config", trial(agent, standin))
        async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
            async with crowd(one.url, two.url) as people:
                load = Load(people, agent)
                for away in (0.3, 1.5):
                    await asyncio.sleep(1.2)
                    await external.kill()
                    await asyncio.sleep(away)
                    await external.start()
                await asyncio.sleep(0.5)
                replies = await load.end()
            assert {reply.status for reply in replies} == {200} and len(replies) > 100
            await until_booked(one, agent, len(replies))
            assert {line["event"] for line in one.log()} >= {"store_away", "store_back"}


async def test_a_frozen_store_holds_nobody_up(tmp_path: Path, agent: str, external: ExternalRedis) -> None:
    """SIGSTOP: while the store says nothing, calls are answered one after the other; so is the status."""
    async with provider() as standin, running(write(tmp_path, trial(agent, standin)), external.url) as served:
        async with crowd(served.url) as people:
            load = Load(people, agent)
            await asyncio.sleep(0.3)
            external.signal(signal.SIGSTOP)
            before = len(load.replies)
            assert (await ask(served.url, "GET", "/status")).status == 200
            await within(SOON, lambda: not served.gateway.services.controller.store_ok)
            await within(SOON, lambda: len(load.replies) > before + 100)
            external.signal(signal.SIGCONT)
            replies = await load.end()
        assert {reply.status for reply in replies} == {200}
        await within(SOON, lambda: served.gateway.services.controller.store_ok)


async def test_an_emptied_store_does_not_bring_a_bad_canary_back(
    tmp_path: Path, agent: str, external: ExternalRedis
) -> None:
    """FLUSHALL after a rollback: not one more call for the canary, a higher epoch, and a `restore` on record."""
    async with provider(bad=ModelBehaviour(error_rate=1.0)) as standin:
        write(tmp_path, trial(agent, standin))
        async with running(tmp_path, external.url) as one, running(tmp_path, external.url) as two:
            async with crowd(one.url, two.url) as people:
                await call_until(people, agent, lambda: {phase(one, agent), phase(two, agent)} == {"rolled_back"})
                epoch, served = state(one, agent).epoch, standin.counts("bad").requests
                await external.flush_all()
                await call_until(people, agent, lambda: min(state(g, agent).epoch for g in (one, two)) > epoch)
                await people.call_often(agent, 50)
            assert {phase(one, agent), phase(two, agent)} == {"rolled_back"}
            assert standin.counts("bad").requests == served
            (event,) = await one.gateway.services.store.audit(agent, 10)
            assert (event["action"], event["actor"]) == ("restore", "controller")


async def call_until(people: Crowd, agent: str, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(ENOUGH_SECONDS):
        while True:
            await people.call_often(agent, 8)
            if condition():
                return


def state(served: Running, agent: str) -> Any:
    return served.gateway.services.table.seen(agent)


def phase(served: Running, agent: str) -> str | None:
    found: str | None = state(served, agent).phase
    return found


async def test_a_trial_goes_on_after_the_store_was_emptied(tmp_path: Path, agent: str, external: ExternalRedis) -> None:
    """FLUSHALL while it runs: it begins again with no evidence, at a higher epoch, and can still be rolled back."""
    async with (
        provider() as standin,
        running(write(tmp_path, trial(agent, standin)), external.url) as served,
        crowd(served.url) as people,
    ):
        await people.call_often(agent, 20)
        epoch = state(served, agent).epoch
        await external.flush_all()
        await call_until(people, agent, lambda: bool(state(served, agent).epoch > epoch))
        assert phase(served, agent) == "running"
        standin.behave("bad", ModelBehaviour(error_rate=1.0))
        await call_until(people, agent, lambda: phase(served, agent) == "rolled_back")


async def test_without_a_store_stable_serves(tmp_path: Path, agent: str) -> None:
    """Nobody answers at the start: every call goes to stable, the status says so; once it is there the trial begins."""
    redis = ExternalRedis(tmp_path / "redis")
    async with provider() as standin:
        folder = write(tmp_path / "config", trial(agent, standin))
        served = await start(folder, {"SERINUS_STORE": redis.url})
        await until_serving(served)
        async with crowd(served.url) as people:
            assert {reply.version for reply in await people.call_often(agent, 50)} == {"v1"}
            view = await served.status()
            assert (view.gateway.store.backend, view.gateway.store.ok) == ("redis", False)
            assert view.gateway.store.error
            assert view.agents[agent].phase is None and view.agents[agent].weight == 0.0
            assert (await served.ask("GET", "/readyz")).status == 200
            await redis.start()
            await until(lambda: has_both_versions(people, agent))
        await until(lambda: says_store_ok(served))
        assert await served.end() == 0
    await redis.kill()


async def has_both_versions(people: Crowd, agent: str) -> bool:
    return {reply.version for reply in await people.call_often(agent, 10)} == {"v1", "v2"}


async def says_store_ok(served: Served) -> bool:
    return bool((await served.status()).gateway.store.ok)
