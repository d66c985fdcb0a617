"""A store that answers and refuses: demoted, full, narrowed, or not what the configuration says it is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.crowd import Reply, crowd
from tests.support.processes import Served, serving, until_booked
from tests.support.redis_servers import StableName, ask_server, make_folders, tcp_server, until
from tests.support.running import ADMIN_TOKEN, provider, trial, write


@asynccontextmanager
async def two_servers(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """The ports of a primary and of its replica, which has caught up."""
    one, two = make_folders(folder, 2)
    async with tcp_server(one) as primary, tcp_server(two) as replica:
        await ask_server(replica, "REPLICAOF", "127.0.0.1", primary)

        async def has_caught_up() -> bool:
            info = await ask_server(replica, "INFO", "replication")
            return bool(info["master_link_status"] == "up" and not info["master_sync_in_progress"])

        await until(has_caught_up)
        yield primary, replica


async def fail_over(name: StableName, primary: int, replica: int) -> None:
    """The replica is promoted, the old primary follows it, and the name leads new connections there."""
    await ask_server(replica, "REPLICAOF", "NO", "ONE")
    await ask_server(primary, "REPLICAOF", "127.0.0.1", replica)
    name.target = replica


async def verb(served: Served, agent: str, word: str) -> Reply:
    epoch = (await served.status()).agents[agent].epoch
    headers = (f"authorization: Bearer {ADMIN_TOKEN}", f"if-match: {epoch}")
    body = json.dumps({"actor": "op", "reason": "test"}).encode()
    return await served.ask("POST", f"/admin/agents/{agent}/{word}", body, headers)


def events(served: Served, *names: str) -> list[str]:
    return [line["event"] for line in served.log() if line["event"] in names]


async def test_a_demoted_primary_is_left_for_the_new_one(tmp_path: Path, agent: str) -> None:
    """A fail-over behind a stable name that cuts no connection: counts go on, exactly, without a restart."""
    async with provider() as standin, two_servers(tmp_path / "redis") as (primary, replica):
        name = StableName(primary)
        async with name.serving() as port:
            folder = write(tmp_path / "config", trial(agent, standin))
            environ = {"SERINUS_STORE": f"redis://127.0.0.1:{port}/0"}
            async with serving(folder, environ) as served, crowd(served.url) as people:
                await people.call_often(agent, 40)
                await until_booked(served, agent, 40)
                await fail_over(name, primary, replica)
                await people.call_often(agent, 40)
                async with asyncio.timeout(10):
                    await until_booked(served, agent, 80)
                assert (await verb(served, agent, "pause")).status == 200
                assert len(events(served, "store_away")) <= 1 and len(events(served, "store_back")) <= 1
                assert json.loads((await served.ask("GET", "/readyz")).body)["store"] == "ok"


async def test_a_verb_finds_the_new_primary_by_itself(tmp_path: Path, agent: str) -> None:
    """Nothing but a person's word has met the fail-over yet: it is carried out, at the new primary."""
    async with provider() as standin, two_servers(tmp_path / "redis") as (primary, replica):
        name = StableName(primary)
        async with name.serving() as port:
            folder = write(tmp_path / "config", trial(agent, standin))
            async with serving(folder, {"SERINUS_STORE": f"redis://127.0.0.1:{port}/0"}) as served:
                await fail_over(name, primary, replica)
                assert (await verb(served, agent, "pause")).status == 200
                assert (await served.status()).agents[agent].phase == "paused"


@pytest.mark.parametrize(
    ("option", "bad", "good", "word"),
    [("maxmemory", "1", "0", "OOM"), ("min-replicas-to-write", "1", "0", "NOREPLICAS")],
)
async def test_a_server_that_takes_reads_alone_is_away(
    tmp_path: Path, agent: str, option: str, bad: str, good: str, word: str
) -> None:
    """Full, or without its replicas: a line when it begins, a line when it ends, and the status says it meanwhile."""
    make_folders(tmp_path / "redis", 1)
    async with provider() as standin, tcp_server(tmp_path / "redis" / "0") as port:
        folder = write(tmp_path / "config", trial(agent, standin))
        async with (
            serving(folder, {"SERINUS_STORE": f"redis://127.0.0.1:{port}/0"}) as served,
            crowd(served.url) as people,
        ):
            await ask_server(port, "CONFIG", "SET", option, bad)
            await people.call_often(agent, 20)
            await asyncio.sleep(3)
            store = (await served.status()).gateway.store
            assert not store.ok and store.error and word in store.error
            assert json.loads((await served.ask("GET", "/readyz")).body)["store"] == "away"
            assert events(served, "store_away", "store_back") == ["store_away"]
            await ask_server(port, "CONFIG", "SET", option, good)
            await until_booked(served, agent, 20)
            await until(lambda: is_back(served))
            assert events(served, "store_away", "store_back") == ["store_away", "store_back"]


async def is_back(served: Served) -> bool:
    return bool((await served.status()).gateway.store.ok)


@pytest.mark.parametrize(
    ("url", "options", "word"),
    [
        ("redis://127.0.0.1:{port}/99", (), "DB index is out of range"),
        ("redis://127.0.0.1:{port}/0", ("--rename-command", "EVALSHA", ""), "unknown command"),
        ("redis+sentinel://127.0.0.1:{port}/house", (), "SENTINEL"),
    ],
)
async def test_a_store_that_refuses_at_the_start_leaves_stable_serving(
    tmp_path: Path, agent: str, url: str, options: tuple[str, ...], word: str
) -> None:
    """No traceback and no exit: every call goes to stable, and the status says in the server's words why."""
    make_folders(tmp_path / "redis", 1)
    async with provider() as standin, tcp_server(tmp_path / "redis" / "0", *options) as port:
        folder = write(tmp_path / "config", trial(agent, standin))
        async with (
            serving(folder, {"SERINUS_STORE": url.format(port=port)}) as served,
            crowd(served.url) as people,
        ):
            assert {reply.version for reply in await people.call_often(agent, 20)} == {"v1"}
            store = (await served.status()).gateway.store
            assert not store.ok and store.error and word in store.error
            assert (await verb(served, agent, "pause")).status == 503
            assert events(served, "store_away", "store_back", "bug") == ["store_away"]
            assert await served.end() == 0
