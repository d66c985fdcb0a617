"""A step begins while the store or its announcements fail: no conversation changes its version, old or young."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.redis_servers import ExternalRedis
from tests.support.talks import Stage, StoredTalk, Talk, looping, stage


@pytest.fixture
async def external(tmp_path: Path) -> AsyncIterator[ExternalRedis]:
    """A Redis of this test's own."""
    server = ExternalRedis(tmp_path / "store")
    await server.start()
    yield server
    await server.kill()


@asynccontextmanager
async def stepping(folder: Path, redis_url: str, agent: str, kind: type[Talk] = Talk) -> AsyncIterator[Stage]:
    """Old conversations and young loops at two replicas; at the start a step has just begun. At the end none moved."""
    api = "openai-responses" if kind is StoredTalk else "openai"
    async with stage(folder, redis_url, agent, 0.05, api, canary="v2", weight="30%") as here:
        await here.until_everywhere("weight", 0.3)
        count = 0 if kind is StoredTalk else 20  # the stand-in keeps the latest answers alone
        old = await here.go_on([kind(agent, f"old {number}") for number in range(count)])
        await here.go_on(old)
        async with looping(here, kind) as young:
            await asyncio.sleep(0.5)
            here.route(canary="v2", weight="80%")
            await here.until_one("weight", 0.8)
            yield here
            await here.until_everywhere("weight", 0.8)
            await asyncio.sleep(1)
        await here.go_on(await here.go_on(old))
        assert [talk.versions for talk in (*old, *young) if len(set(talk.versions)) > 1] == []
        assert len(young) > 40 and {talk.versions[0] for talk in young} == {"v1", "v2"}
        assert {talk.versions[0] for talk in await here.begin(40, "new")} == {"v1", "v2"}


async def test_a_store_that_is_away_for_some_seconds(tmp_path: Path, agent: str, external: ExternalRedis) -> None:
    """It says nothing (SIGSTOP), just after a replica has heard of the step."""
    async with stepping(tmp_path, external.url, agent):
        external.signal(signal.SIGSTOP)
        await asyncio.sleep(4)
        external.signal(signal.SIGCONT)


async def test_announcements_that_are_cut_again_and_again(tmp_path: Path, agent: str, external: ExternalRedis) -> None:
    """The other replica hears of the step by its poll."""
    async with stepping(tmp_path, external.url, agent):
        client = Redis(port=external.port)
        for _ in range(20):
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
            await asyncio.sleep(0.1)
        await client.aclose()


async def test_a_store_that_is_killed_and_started_again(tmp_path: Path, agent: str, external: ExternalRedis) -> None:
    """With its append-only file, which may lack the last second."""
    async with stepping(tmp_path, external.url, agent):
        await external.kill()
        await asyncio.sleep(1)
        await external.start()


async def test_responses_that_providers_keep_hop_between_replicas(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Each turn names the answer before it, which the other replica gave 10 ms ago; also at a fast model."""
    async with stepping(tmp_path, redis_url, agent, StoredTalk) as here:
        here.standin.behave("good", ModelBehaviour())
        here.standin.behave("bad", ModelBehaviour())
        await asyncio.sleep(2)


async def test_a_replica_that_does_nothing_while_a_step_begins(tmp_path: Path, redis_url: str, agent: str) -> None:
    """It is frozen for longer than a step waits for others; no step begins at the other one without it."""
    async with stage(tmp_path, redis_url, agent, 0.05, canary="v2", weight="30%") as here:
        await here.until_everywhere("weight", 0.3)
        await here.begin(20, "before")
        with here.replicas[1].frozen():
            here.route(canary="v2", weight="80%")
            await here.until_one("weight", 0.8)
            await asyncio.sleep(3)
        async with looping(here) as young:
            await here.until_everywhere("weight", 0.8)
            await asyncio.sleep(1)
        assert [talk.versions for talk in young if len(set(talk.versions)) > 1] == []
