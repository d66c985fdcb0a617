"""A store that runs out of memory or disk: keys that are evicted, and an append-only file that takes no more."""

import asyncio
import json
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import Reply, crowd
from tests.support.processes import Served, serving, until_booked
from tests.support.redis_servers import ask_server, child_of, tcp_server, until
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write


def phase(served: Running, agent: str) -> str | None:
    state = served.gateway.services.table.seen(agent)
    return state.phase if state else None


async def keys_of(port: int) -> list[str]:
    return sorted(str(key) for key in await ask_server(port, "KEYS", "serinus:*"))


async def evict_each(port: int, after_each: Callable[[], Awaitable[object]]) -> None:
    """Take away every key that there is, one after the other, as a server does that needs their memory."""
    for key in await keys_of(port):
        await ask_server(port, "DEL", key)
        await after_each()


async def test_evicted_keys_do_no_harm_to_a_decision(
    tmp_path: Path, agent: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Any key, alone, at any time: a trial goes on, a bad canary is taken out, and one that is out stays out."""
    (tmp_path / "redis").mkdir()
    async with provider() as standin, tcp_server(tmp_path / "redis") as port:
        folder = write(tmp_path / "config", trial(agent, standin))
        async with running(folder, f"redis://127.0.0.1:{port}/0") as served, crowd(served.url) as people:

            async def call() -> list[Reply]:
                replies = await people.call_often(agent, 8)
                assert {reply.status for reply in replies} == {200}
                await served.gateway.services.controller.poll()
                return replies

            await call()
            await evict_each(port, call)
            assert phase(served, agent) == "running"
            standin.behave("bad", ModelBehaviour(error_rate=1.0))
            await until(lambda: is_out(served, agent, people.call_often))
            await evict_each(port, served.gateway.services.controller.poll)
            assert {reply.version for reply in await call()} == {"v1"}
            assert phase(served, agent) == "rolled_back"
    assert '"event":"bug"' not in capfd.readouterr().out


async def is_out(served: Running, agent: str, call_often: Callable[[str, int], Awaitable[object]]) -> bool:
    await call_often(agent, 8)
    return phase(served, agent) == "rolled_back"


@contextmanager
def full_disk(pid: int, folder: Path) -> Iterator[None]:
    """Let that process write no byte more into a file: to it the disk is full."""
    largest = max(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_under_the_embedded_store(tmp_path: Path, agent: str) -> None:
    """Calls are served, the store is away in the server's words, and no verb is half done; with room again it heals by
    itself, the counts are exact, and a restart has all of them."""
    async with provider() as standin:
        folder = write(tmp_path / "config", trial(agent, standin))
        environ = {"SERINUS_DATA": str(tmp_path / "data")}
        async with serving(folder, environ) as served, crowd(served.url) as people:
            await people.call_often(agent, 20)
            await until_booked(served, agent, 20)
            with full_disk(child_of(served.process.pid), tmp_path / "data" / "redis"):
                replies = await people.call_often(agent, 20)
                await until(lambda: is_refused(served, "MISCONF"))
                replies += await people.call_often(agent, 20)
                assert {reply.status for reply in replies} == {200}
                assert (await pause(served, agent)).status == 503
            await until_booked(served, agent, 60)
            await until(lambda: is_ok(served))
            assert (await pause(served, agent)).status == 200
            names = [line["event"] for line in served.log()]
            assert names.count("store_away") == 1 and names.count("store_back") == 1 and "bug" not in names
            assert await served.end() == 0
        async with serving(folder, environ, "again") as served:
            await until_booked(served, agent, 60)
            assert (await served.status()).agents[agent].phase == "paused"


async def pause(served: Served, agent: str) -> Reply:
    epoch = (await served.status()).agents[agent].epoch
    headers = (f"authorization: Bearer {ADMIN_TOKEN}", f"if-match: {epoch}")
    body = json.dumps({"actor": "op", "reason": "test"}).encode()
    return await served.ask("POST", f"/admin/agents/{agent}/pause", body, headers)


async def is_refused(served: Served, word: str) -> bool:
    store = (await served.status()).gateway.store
    return not store.ok and word in (store.error or "")


async def is_ok(served: Served) -> bool:
    return (await served.status()).gateway.store.ok


async def test_a_full_disk_under_the_gateway(tmp_path: Path, agent: str) -> None:
    """What it remembers of the store cannot be written: a warning, and everything goes on."""
    async with provider() as standin:
        folder = write(tmp_path / "config", trial(agent, standin))
        async with serving(folder, {"SERINUS_DATA": str(tmp_path / "data")}) as served, crowd(served.url) as people:
            await people.call_often(agent, 5)
            await until_booked(served, agent, 5)
            resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            assert (await pause(served, agent)).status == 200
            await asyncio.sleep(2)  # as long as the gateway takes to write down what it has seen
            assert {reply.status for reply in await people.call_often(agent, 5)} == {200}
            await until_booked(served, agent, 10)
            assert (await served.status()).gateway.store.ok
            resource.prlimit(
                served.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )
            assert await served.end() == 0
