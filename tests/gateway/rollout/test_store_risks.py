"""Risks of the store: told at the start and when they come, and on the status meanwhile."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest_asyncio

from gateway import logs
from gateway.rollout.store_risks import StoreRisks
from gateway.store import RedisStore, connect
from tests.support.redis_servers import ask_server, cluster_of, ports_of, tcp_server


@dataclass
class Lines:
    """A log that keeps its lines."""

    lines: list[str] = field(default_factory=list)

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(" ".join((event, *map(str, fields.values()))))


@pytest_asyncio.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with tcp_server(tmp_path, "--appendonly", "yes") as port:
        yield port


async def test_an_evicting_server_is_a_risk(port: int) -> None:
    """Told once when it comes and once when it goes; figures that move are no news."""
    log, store = Lines(), RedisStore(connect(f"redis://127.0.0.1:{port}/0"), "replica")
    risks = StoreRisks(store, log)  # type: ignore[arg-type]  # what of a log it uses
    await risks.look()
    assert (risks.found, log.lines) == ((), [])
    await ask_server(port, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await ask_server(port, "CONFIG", "SET", "maxmemory", str(64 << 20))
    for size in (1_000, 10_000):
        await ask_server(port, "SET", "filler", "x" * size)
        await risks.look()
    assert [line.split(" ")[0] for line in log.lines] == ["store_at_risk"] * len(risks.found)
    assert "its eviction policy is allkeys-lru" in risks.found[0] and "noeviction" in risks.found[0]
    await ask_server(port, "CONFIG", "SET", "maxmemory", "0")
    await risks.look()
    assert (risks.found, log.lines[-1]) == ((), "store_safe")
    await store.aclose()


async def test_every_primary_of_a_cluster_is_asked(tmp_path: Path) -> None:
    """One of three evicts: a risk, told once."""
    async with cluster_of(tmp_path) as (url, _):
        last = (await ports_of(url))[-1]
        await ask_server(last, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        await ask_server(last, "CONFIG", "SET", "maxmemory", str(1 << 30))
        store = RedisStore(connect(url), "replica")
        (risk,) = await store.risks()
        assert "volatile-ttl" in risk
        await store.aclose()


async def test_a_user_who_may_not_ask_is_no_risk(port: int) -> None:
    """The server is asked once, and refuses once: its own log is not filled."""
    await ask_server(port, "ACL", "SETUSER", "shy", "reset", "on", ">pw", "~*", "&*", "+@all", "-info")
    store = RedisStore(connect(f"redis://shy:pw@127.0.0.1:{port}/0"), "replica")
    risks = StoreRisks(store, logs.configure())
    for _ in range(3):
        await risks.look()
    (refused,) = await ask_server(port, "ACL", "LOG")
    assert risks.found == () and "count" in str(refused)
    assert await ask_server(port, "EXISTS", "x") == 0
    await store.aclose()


async def test_a_store_that_is_away_changes_nothing(port: int) -> None:
    """What was found last stands until the server answers again."""
    store = RedisStore(connect("redis://127.0.0.1:1/0"), "replica")
    risks = StoreRisks(store, logs.configure())
    risks.found = ("it evicts",)
    await risks.look()
    assert risks.found == ("it evicts",)
    await store.aclose()
