"""kill -9 where it hurts: around a commit, while a decision is told, and of everybody at once."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from redis.asyncio import Redis

from gateway.rehearsal.standin import ModelBehaviour
from gateway.store import connect
from gateway.store.notices import CONSUMER, GROUP
from gateway.timings import USUAL
from tests.support.crowd import crowd
from tests.support.gate import Gate, Moment
from tests.support.listening import listening
from tests.support.processes import Served, command, serving
from tests.support.receivers import Receiver
from tests.support.redis_servers import ENOUGH_SECONDS, ExternalRedis, child_of, until
from tests.support.restarts import a_trial
from tests.support.running import provider, trial, write
from tests.support.waiting import within

NAMES = ("one", "two", "three")
BACK_WITHIN = 5.0  # seconds on a busy machine; `python -m bench.restarts` measures
TOLD_WITHIN = 30.0  # seconds; a dead decider's lease runs out before another looks at a trial that nobody calls
TWO_LOOKS = 2.5  # seconds in which everybody looks for notices twice


@asynccontextmanager
async def failing_trial(folder: Path, agent: str) -> AsyncIterator[tuple[Path, Receiver]]:
    """A configuration whose canary fails every call, and who wants to hear of its rollback."""
    ear = Receiver()
    async with listening(ear.serve) as port, provider(bad=ModelBehaviour(error_rate=1.0)) as standin:
        files = trial(agent, standin)
        notify = [{"url": f"http://127.0.0.1:{port}/hook", "allow_private": True}]
        files["gateway.yaml"] = {**cast(Any, files["gateway.yaml"]), "retries": {"per_target": 0}, "notify": notify}
        yield write(folder / "config", files), ear


async def call_until(served: Served, agent: str, holds: Callable[[], bool]) -> None:
    """Call that gateway until it holds."""
    async with crowd(served.url) as people, asyncio.timeout(ENOUGH_SECONDS):
        while not holds():
            await people.call_often(agent, 4)


def decided(served: Served) -> list[str]:
    """What that gateway knows to have decided itself."""
    return [line["action"] for line in served.log() if line["event"] == "decision"]


async def heard(ear: Receiver, times: int) -> None:
    """Wait until the receiver was told so often, then long enough for a notice too many to come."""
    await within(TOLD_WITHIN, lambda: len(ear.keys) >= times)
    await asyncio.sleep(TWO_LOOKS)


async def assert_rolled_back_once(served: Served, agent: str) -> None:
    """One rollback is on record, in a whole chain, and that gateway serves by it."""
    done = await command("audit", agent, "--json", SERINUS_URL=served.url)
    assert [json.loads(line)["action"] for line in done.out.splitlines()] == ["roll_back", "start"]
    verified = await command("audit", agent, "--verify", SERINUS_URL=served.url)
    assert (verified.code, verified.out) == (0, f"{agent}: 2 events, one whole chain up to epoch 2\n")
    async with crowd(served.url) as people:
        assert {reply.version for reply in await people.call_often(agent, 30)} == {"v1"}


@pytest.mark.parametrize("moment", get_args(Moment))
async def test_a_decider_killed_around_its_commit(tmp_path: Path, redis_url: str, agent: str, moment: Moment) -> None:
    """Before it arrived, when it was applied, when it was answered: one rollback, one notice, a whole chain."""
    async with (
        failing_trial(tmp_path, agent) as (folder, ear),
        Gate(redis_url).serving() as gate,
        serving(folder, {"SERINUS_STORE": gate.url}, "one") as one,
        serving(folder, {"SERINUS_STORE": redis_url}, "other") as other,
    ):
        gate.watch(moment)
        with other.frozen():  # so that it is the first who decides
            await call_until(one, agent, gate.shut.is_set)
            await until(lambda: knows(one, moment))
            await one.kill()
        assert gate.won == (moment != "before")
        await heard(ear, 1)
        assert decided(other).count("roll_back") == (moment == "before")
        await assert_rolled_back_once(other, agent)
    assert ear.keys == [f"{agent}:2"] and ear.bodies[0]["action"] == "roll_back"


async def knows(served: Served, moment: Moment) -> bool:
    """Whether it knows of its decision, where it was told."""
    return ("roll_back" in decided(served)) == (moment == "answered")


async def test_a_replica_killed_while_it_tells(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Nobody knows whether the notice has arrived: another replica tells again, under the same key."""
    async with failing_trial(tmp_path, agent) as (folder, ear):
        ear.slow.add(f"{agent}:2")  # it hears, and does not answer
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one, serving(folder, environ, "other") as other:
            with other.frozen():
                await call_until(one, agent, lambda: bool(ear.keys))
                await one.kill()
            ear.slow.clear()
            await asyncio.sleep(TWO_LOOKS)
            assert ear.keys == [f"{agent}:2"], "the first may only be slow"
            await a_minute_later(redis_url, agent)
            await heard(ear, 2)
            await assert_rolled_back_once(other, agent)
    assert ear.keys == [f"{agent}:2"] * 2 and ear.bodies[0] == ear.bodies[1]


@pytest.mark.parametrize("heir", ["other", "one"])
async def test_a_replica_killed_before_its_delivery(tmp_path: Path, redis_url: str, agent: str, heir: str) -> None:
    """A conversation was handed over and its webhook not told: another replica tells it, or the same one begun again,
    under the same key."""
    ear = Receiver()
    async with listening(ear.serve) as port, provider(bad=ModelBehaviour(error_rate=1.0)) as standin:
        files = trial(agent, standin)
        escalation = {"webhook": f"http://127.0.0.1:{port}/desk", "allow_private_webhook": True}
        gateway = {**cast(Any, files["gateway.yaml"]), "retries": {"per_target": 0}, "escalation": escalation}
        routing = {"agents": {agent: {"stable": "v2", "fallback": ["human"]}}}
        folder = write(tmp_path / "config", {**files, "gateway.yaml": gateway, "routing.yaml": routing})
        ear.seconds = ENOUGH_SECONDS  # it hears, and does not answer
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one, crowd(one.url) as people:
            (reply,) = await people.call_often(agent, 1)
            assert reply.headers["x-serinus-escalated"] == "human"
            await within(TOLD_WITHIN, lambda: len(ear.keys) == 1)
            await one.kill()
        ear.seconds = 0.0
        async with serving(folder, environ, heir) as next_one:
            await a_delivery_later(redis_url, agent)
            await heard(ear, 2)
            assert [line["sequence"] for line in next_one.log() if line["event"] == "escalation_taken_over"] == [1]
    call_id = reply.headers["x-serinus-call-id"]
    assert [body["call_id"] for body in ear.bodies] == [call_id] * 2 and ear.bodies[0] == ear.bodies[1]
    assert ear.keys == [call_id.lower()] * 2  # as the receiver notes it


async def a_delivery_later(redis_url: str, agent: str) -> None:
    """Let the store believe that whoever held the deliveries held them until now."""
    client, claims = connect(redis_url), f"serinus:{{{agent}}}:outbox_claims"
    assert isinstance(client, Redis)
    held: dict[str, str] = await cast(Any, client.hgetall(claims))
    for field, times in held.items():
        await cast(Any, client.hset(claims, field, f"0 {times.split()[1]}"))
    await client.aclose()


async def a_minute_later(redis_url: str, agent: str) -> None:
    """Let the store believe that the notices were taken so long ago that whoever did must be dead."""
    client, stream = connect(redis_url), f"serinus:{{{agent}}}:audit"
    assert isinstance(client, Redis)
    idle_ms = round(USUAL.notice_claim * 1000) + 1
    (left,) = await client.xpending_range(stream, GROUP, min="-", max="+", count=2)
    await client.xclaim(stream, GROUP, CONSUMER, 0, [left["message_id"]], idle=idle_ms, justid=True)
    await client.aclose()


@pytest.fixture
async def external(tmp_path: Path) -> AsyncIterator[ExternalRedis]:
    redis = ExternalRedis(tmp_path / "redis")
    await redis.start()
    yield redis
    await redis.kill()


async def test_a_trial_outlives_everybody(tmp_path: Path, agent: str, external: ExternalRedis) -> None:
    """All replicas and Redis die; Redis comes back, then they: the same epoch, weight, e-value and assignment."""
    environ = {"SERINUS_STORE": external.url}
    async with a_trial(tmp_path, agent) as trial:
        async with trial.replicas(environ, *NAMES) as replicas:
            before = await trial.proceed(replicas)
            await asyncio.gather(external.kill(), *(served.kill() for served in replicas))
        await external.start()
        async with trial.replicas(environ, *NAMES) as replicas:
            back = await trial.seconds_until(before, replicas)
            assert max(back.said, back.applied) < BACK_WITHIN
    assert before.said["epoch"] == 2 and before.said["weight"] == 0.2 and 1 < before.said["e_value"] < 100


async def test_replicas_that_are_back_before_the_store_follow_it(
    tmp_path: Path, agent: str, external: ExternalRedis
) -> None:
    """They serve stable only; when Redis is there, the trial goes on where it was, and nothing is begun anew."""
    environ = {"SERINUS_STORE": external.url}
    async with a_trial(tmp_path, agent) as trial:
        async with trial.replicas(environ, *NAMES) as replicas:
            before = await trial.proceed(replicas)
            await asyncio.gather(external.kill(), *(served.kill() for served in replicas))
        async with trial.replicas(environ, *NAMES) as replicas:
            assert {version for served in replicas for version in await trial.versions(served)} == {"v1"}
            await external.start()
            back = await trial.seconds_until(before, replicas)
            assert max(back.said, back.applied) < BACK_WITHIN
            assert [line for served in replicas for line in served.log() if line["event"] == "decision"] == []


async def test_a_trial_in_the_embedded_store_outlives_its_gateway(tmp_path: Path, agent: str) -> None:
    """The private Redis dies and the gateway with it: the next start finds everything in the data folder."""
    async with a_trial(tmp_path, agent) as trial:
        async with trial.replicas({}, "one") as (one,):
            before = await trial.proceed([one])
            os.kill(child_of(one.process.pid), signal.SIGKILL)
            await one.kill()
        async with trial.replicas({}, "one again") as (again,):
            back = await trial.seconds_until(before, [again])
            assert max(back.said, back.applied) < BACK_WITHIN
