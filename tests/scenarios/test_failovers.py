"""Failovers of Sentinel and Cluster, and a slot that moves, under load: no call fails, and decisions are made once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.store import RedisStore, connect
from tests.support.certificates import Authority
from tests.support.crowd import Crowd, Reply, crowd
from tests.support.redis_servers import (
    SLOTS,
    ask_server,
    cluster_of,
    make_folders,
    member,
    ports_of,
    replicating,
    sentinel,
    tcp_process,
    until,
)
from tests.support.running import Running, provider, running, trial, write
from tests.support.tls_fronts import tls_fronts

WATCHING = ("sentinel down-after-milliseconds house 400", "sentinel failover-timeout house 2000")
SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Pair:
    """Two gateways over one store, and people who call them."""

    gateways: Sequence[Running]
    standin: Standin
    people: Crowd
    agent: str

    async def booked(self) -> int:
        """How many calls the store has counted."""
        views = await self.gateways[0].gateway.services.status.agents([self.agent])
        return sum(version.requests for version in views[self.agent].versions.values())

    async def are_well(self) -> bool:
        return all(each.gateway.services.controller.store_ok for each in self.gateways)

    async def roll_back(self) -> None:
        """The canary fails, until every gateway has taken it out."""
        self.standin.behave("bad", ModelBehaviour(error_rate=1.0))
        async with asyncio.timeout(30):
            while not all(self._is_out(each) for each in self.gateways):
                assert {reply.status for reply in await self.people.call_often(self.agent, 8)} == {200}

    def _is_out(self, gateway: Running) -> bool:
        state = gateway.gateway.services.table.seen(self.agent)
        return state is not None and state.phase == "rolled_back"


class Load:
    """Calls that go on in the background until they are asked for."""

    def __init__(self, pair: Pair) -> None:
        self._over = asyncio.Event()
        self.replies: list[Reply] = []
        self._tasks = [asyncio.create_task(self._work(pair)) for _ in range(SIDE_BY_SIDE)]

    async def _work(self, pair: Pair) -> None:
        while not self._over.is_set():
            self.replies.append(await pair.people.call(pair.agent))
            await asyncio.sleep(0.02)

    async def end(self) -> int:
        """Return how many calls there were; all of them were answered."""
        self._over.set()
        await asyncio.gather(*self._tasks)
        assert {reply.status for reply in self.replies} == {200}
        return len(self.replies)


@asynccontextmanager
async def pair(folder: Path, url: str, agent: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider())
        config = write(
            folder / "config", {**trial(agent, standin, fallback=["standin/good"]), "gateway.yaml": gateway(standin)}
        )
        gateways = [await stack.enter_async_context(running(config, url)) for _ in range(2)]
        people = await stack.enter_async_context(crowd(*(each.url for each in gateways)))
        yield Pair(gateways, standin, people, agent)


def gateway(standin: Standin) -> dict[str, Any]:
    return {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}, "retries": {"per_target": 0}}


async def decisions(url: str, agent: str) -> list[str]:
    """The audit trail's actions, the oldest first."""
    store = RedisStore(connect(url), "reader")
    found = [str(event["action"]) async for event in store.audit_all(agent)]
    await store.aclose()
    return found


async def resume(two: Pair, sent: int) -> None:
    """Counts go on to the call, and nothing was counted twice; then the canary is taken out, once."""
    await until(two.are_well)
    await two.people.call_often(two.agent, 1)  # what waited goes with it
    await asyncio.sleep(1)
    before = await two.booked()
    assert sent // 2 <= before <= sent + 1
    await two.people.call_often(two.agent, 20)

    async def are_counted() -> bool:
        return await two.booked() == before + 20

    await until(are_counted)
    await two.roll_back()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
async def test_sentinel_promotes_a_replica_under_load(
    tmp_path: Path, agent: str, encrypted: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """kill -9 of the primary: the sentinel names the other one, and the gateways follow without a word of theirs."""
    one, two, three = make_folders(tmp_path / "servers", 3)
    async with AsyncExitStack() as stack:
        primary, process = await stack.enter_async_context(tcp_process(one))
        replica, _ = await stack.enter_async_context(tcp_process(two, "--replicaof", "127.0.0.1", str(primary)))
        asked = await stack.enter_async_context(sentinel(three, primary, *WATCHING))
        await until(lambda: replicating(replica))
        await until(lambda: knows_a_replica(asked))
        url = f"redis+sentinel://127.0.0.1:{asked}/house/0"
        if encrypted:
            authority = Authority(tmp_path / "authority")
            context = authority.server_context(authority.sign("server"))
            fronts = await stack.enter_async_context(tls_fronts((primary, replica, asked), context))
            url = f"rediss+sentinel://127.0.0.1:{fronts[asked]}/house/0?ssl_ca_certs={authority.path}"
        made = await stack.enter_async_context(pair(tmp_path, url, agent))
        load = Load(made)
        await asyncio.sleep(1)
        process.kill()
        await until(lambda: is_primary(replica))
        await asyncio.sleep(1)
        await resume(made, await load.end())
        assert (await decisions(url, agent)).count("roll_back") == 1
    assert '"event":"bug"' not in capfd.readouterr().out


async def knows_a_replica(port: int) -> bool:
    return "slave0" in str(await ask_server(port, "INFO", "sentinel")) or bool(
        await ask_server(port, "SENTINEL", "REPLICAS", "house")
    )


async def is_primary(port: int) -> bool:
    return bool((await ask_server(port, "INFO", "replication"))["role"] == "master")


def agent_in(first: int, last: int) -> str:
    """An agent's name whose slot is among those."""
    return next(name for n in range(10_000) if first <= key_slot((name := f"agent-{n}").encode()) <= last)


async def test_a_cluster_promotes_a_replica_under_load(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """kill -9 of the primary that has the agent: the others elect its replica, and counts go on there."""
    (fourth,) = make_folders(tmp_path / "fourth", 1)
    async with cluster_of(tmp_path / "cluster") as (url, processes), member(fourth) as replica:
        ports = await ports_of(url)
        first = await ask_server(ports[0], "CLUSTER", "MYID")
        await ask_server(replica, "CLUSTER", "MEET", "127.0.0.1", ports[0])
        await until(lambda: follows(replica, str(first)))
        await until(lambda: replicating(replica))
        agent = agent_in(0, SLOTS // 3 - 10)
        async with pair(tmp_path, url, agent) as made:
            load = Load(made)
            await asyncio.sleep(1)
            processes[0].kill()
            await until(lambda: is_primary(replica))
            await asyncio.sleep(1)
            await resume(made, await load.end())
            assert (await decisions(url, agent)).count("roll_back") == 1
    assert '"event":"bug"' not in capfd.readouterr().out


async def follows(port: int, primary: str) -> bool:
    """Whether the node is told to follow the primary, which it must have met before."""
    try:
        await ask_server(port, "CLUSTER", "REPLICATE", primary)
    except Exception as error:
        assert "Unknown node" in str(error)
        return False
    return True


async def test_a_slot_that_moves_under_load(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its keys go to another node one by one (ASK, TRYAGAIN, MOVED): no call fails, and the counts are exact."""
    async with cluster_of(tmp_path / "cluster") as (nodes, _):
        ports, url = await ports_of(nodes), f"{nodes}?prefix=staging"
        agent = agent_in(0, SLOTS // 3 - 10)
        async with pair(tmp_path, url, agent) as made:
            load = Load(made)
            await asyncio.sleep(1)
            await move_slot(key_slot(agent.encode()), ports)
            await asyncio.sleep(1)
            sent = await load.end()
            await until(made.are_well)

            async def are_counted() -> bool:
                return await made.booked() == sent

            await until(are_counted)
            await made.roll_back()
            assert (await decisions(url, agent)).count("roll_back") == 1
    assert '"event":"bug"' not in capfd.readouterr().out


async def move_slot(slot: int, ports: Sequence[int]) -> None:
    """As `redis-cli --cluster reshard` does it, from the first node to the second, and slowly."""
    source, target = ports[0], ports[1]
    ids = [str(await ask_server(port, "CLUSTER", "MYID")) for port in (source, target)]
    await ask_server(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    await ask_server(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    while keys := await ask_server(source, "CLUSTER", "GETKEYSINSLOT", slot, 1):
        await ask_server(source, "MIGRATE", "127.0.0.1", target, keys[0], 0, 5000)
        await asyncio.sleep(0.1)
    for port in (target, source, *ports[2:]):
        await ask_server(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[1])
