"""What a broken Redis does to the gateway: StoreAway, soon, and nothing is lost or doubled when it is back."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from gateway.errors import StoreAway, StoreRefused
from gateway.store import Arm, EmbeddedRedis, Notice, RedisStore, connect
from gateway.store.connect import MAX_IN_FLIGHT
from gateway.store.handover_seam import HumanReply
from gateway.store.redis import DIAL_SECONDS
from tests.support.canaries import STORE_PASSWORD, WATCH
from tests.support.decisions import batch, beginning, failing
from tests.support.listening import listening
from tests.support.redis_servers import StableName, ask_server, cluster_of, free_port, make_folders, tcp_server


async def _heals(store: RedisStore) -> float:
    """Seconds until the store answers again."""
    began = time.monotonic()
    while True:
        try:
            await store.ping()
            return time.monotonic() - began
        except StoreAway:
            await asyncio.sleep(0.02)


async def _durable(store: RedisStore) -> None:
    """Let the server write before it answers, so that a kill can lose nothing that was answered."""
    await store._client.execute_command("CONFIG", "SET", "appendfsync", "always")


def _kill(server: EmbeddedRedis, kind: signal.Signals) -> None:
    assert server.pid
    os.kill(server.pid, kind)


async def test_a_killed_server_comes_back_as_it_was(server: EmbeddedRedis, own_store: RedisStore) -> None:
    """kill -9: away at once, back within seconds with the same record and sums; a repeated batch counts once."""
    await _durable(own_store)
    before = (await own_store.commit("a", beginning(), "config")).state
    await own_store.flush("a", 1, batch(canary=failing("x", "y", requests=10)))
    _kill(server, signal.SIGKILL)
    with pytest.raises(StoreAway):
        await own_store.flush("a", 2, batch(canary=Arm(1)))
    assert await _heals(own_store) < 3.0
    reply = await own_store.flush("a", 1, batch(canary=failing("x", "y", requests=10)))
    assert reply.sides is not None
    assert (reply.sides.canary.calls, reply.sides.canary.bad_units) == (10, {"errors": 2})
    assert (await own_store.read("a"))[0] == before


async def test_counts_are_exact_over_kills_under_load(server: EmbeddedRedis, own_store: RedisStore) -> None:
    """A flusher that repeats its batch until it is told the totals counts every batch once, through three kills."""
    killer = asyncio.create_task(_kill_thrice(server, own_store))
    await own_store.commit("a", beginning(), "")
    for sequence in range(1, 301):
        while True:
            try:
                await own_store.flush("a", sequence, batch(stable=Arm(1)))
                break
            except StoreAway:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.005)
    await killer
    assert (await own_store.snapshot("a")).sides.stable.calls == 300


async def _kill_thrice(server: EmbeddedRedis, store: RedisStore) -> None:
    for _ in range(3):
        await _durable(store)
        await asyncio.sleep(0.3)
        _kill(server, signal.SIGKILL)
        await _heals(store)


async def test_a_frozen_server_never_hangs_a_caller(server: EmbeddedRedis, own_store: RedisStore) -> None:
    """SIGSTOP: every operation is away within its deadline, and well again after SIGCONT."""
    await own_store.ping()
    _kill(server, signal.SIGSTOP)
    results = await asyncio.gather(
        own_store.read("a"), own_store.snapshot("a"), own_store.epochs(["a"]), own_store.flush("a", 1, batch()),
        own_store.commit("a", beginning(), ""), own_store.audit("a", 1), own_store.escalate("a", {"call_id": "c"}),
        own_store.escalations(["a"], 1), own_store.escalation(["a"], "c"), own_store.replies({"a": ""}, 0.0),
        own_store.reply("a", HumanReply("c", "", "", "", 0.0)), own_store.mark_reply_delivered("a", "c", 0.0),
        own_store.mark_escalation_accepted("a", "c", 0.0), own_store.handovers("a", ["c"]),
        own_store.take_deliveries(["a"], 1, 1.0), own_store.hold_deliveries("a", ["c"], 1.0),
        own_store.settle_delivery("a", "c"),
        own_store.ping(), own_store.claim_notices(["a"], 1000, 10),
        own_store.mark_delivered(Notice("a", "1-1", "a:1", {})),
        anext(own_store.audit_all("a")), return_exceptions=True,
    )  # fmt: skip
    _kill(server, signal.SIGCONT)
    assert [type(result) for result in results] == [StoreAway] * 21
    await _heals(own_store)


async def test_a_silent_server_never_hangs_a_crowd() -> None:
    """Few of two hundred callers may ask at a time; those that wait are told with the first, and most never ask."""
    asked = [0]

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked[0] += 1
        await reader.read(-1)

    async with listening(say_nothing) as port:
        store = RedisStore(connect(f"redis://127.0.0.1:{port}/0", socket_seconds=9.0), "replica", deadline=0.5)
        results = await asyncio.gather(*(store.read(str(n)) for n in range(200)), return_exceptions=True)
        await store.aclose()
    assert [type(result) for result in results] == [StoreAway] * 200
    assert asked[0] <= 4 * MAX_IN_FLIGHT, "whoever is let in at the last moment still dials"


async def test_who_gets_a_place_too_late_does_not_dial() -> None:
    """An operation with hardly any time left is told at once, and the silent server hears nothing of it."""
    asked = [0]

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked[0] += 1
        await reader.read(-1)

    async with listening(say_nothing) as port:
        store = RedisStore(connect(f"redis://127.0.0.1:{port}/0", socket_seconds=9.0), "replica", deadline=1.0)
        first = [asyncio.create_task(store.read(str(n))) for n in range(MAX_IN_FLIGHT)]
        await asyncio.sleep(0.06)
        results = await asyncio.gather(*first, *(store.read("late") for _ in range(40)), return_exceptions=True)
        await store.aclose()
    assert [type(result) for result in results] == [StoreAway] * (MAX_IN_FLIGHT + 40)
    assert asked[0] == MAX_IN_FLIGHT


async def test_an_unreachable_store_is_away() -> None:
    """Nobody listens: told at once, in words that hold no password."""
    store = RedisStore(connect(f"redis://:s3cret@127.0.0.1:{free_port()}/0"), "replica")
    with pytest.raises(StoreAway) as caught:
        await store.ping()
    WATCH.search("refusal", str(caught.value).encode())
    await store.aclose()


@pytest.mark.parametrize(
    "refusal",
    [
        ("REPLICAOF", "127.0.0.1", "1"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
    ],
)
async def test_a_server_that_refuses_writes_is_away(own_store: RedisStore, refusal: tuple[str, ...]) -> None:
    """Read only, full, or without its replicas: a state of the server, no bug, and nothing is applied halfway."""
    await own_store.commit("a", beginning(), "")
    await own_store._client.execute_command(*refusal)
    with pytest.raises(StoreAway, match="refuses"):
        await own_store.flush("a", 1, batch(canary=Arm(5)))
    with pytest.raises(StoreAway, match="refuses"):
        await own_store.commit("b", beginning(), "")
    await own_store._client.execute_command("REPLICAOF", "NO", "ONE")
    await own_store._client.execute_command("CONFIG", "SET", "maxmemory", "0")
    await own_store._client.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")
    await own_store.flush("a", 1, batch(canary=Arm(5)))
    assert (await own_store.snapshot("a")).sides.canary.calls == 5


async def test_a_busy_server_is_away(own_store: RedisStore) -> None:
    """Somebody else's endless script: away until it is killed."""
    await own_store._client.execute_command("CONFIG", "SET", "lua-time-limit", "50")
    endless = asyncio.ensure_future(own_store._client.eval("while true do end", 0))
    await asyncio.sleep(0.2)
    with pytest.raises(StoreAway, match="BUSY"):
        await own_store.ping()
    await own_store._client.execute_command("SCRIPT", "KILL")
    with pytest.raises(ResponseError):
        await endless
    await own_store.ping()


async def test_a_key_that_somebody_else_has_taken_is_a_refusal(redis_url: str, agent: str) -> None:
    """A key of the wrong type: refused in the server's words, so that the other agents go on."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    await client.set(f"serinus:{{{agent}}}:state", "text")
    with pytest.raises(StoreRefused, match="WRONGTYPE"):
        await store.read(agent)
    await store.aclose()


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("redis://127.0.0.1:{port}/99", (), "DB index is out of range"),
        ("redis://127.0.0.1:{port}/0", ("--rename-command", "EVALSHA", ""), "unknown command"),
        ("redis://127.0.0.1:{port}/0", ("--requirepass", "other"), "Authentication required"),
        (f"redis://:{STORE_PASSWORD}@127.0.0.1:{{port}}/0", ("--requirepass", "other"), "WRONGPASS"),
        (f"redis://ann:{STORE_PASSWORD}@127.0.0.1:{{port}}/0", ("--rename-command", "AUTH", ""), "unknown command"),
        ("redis+sentinel://127.0.0.1:{port}/house", (), r"cannot be reached|unknown command"),
        ("redis+cluster://127.0.0.1:{port}", (), "Cluster mode is not enabled"),
    ],
)
async def test_whatever_a_server_refuses_is_away(
    tmp_path: Path, url: str, options: tuple[str, ...], words: str
) -> None:
    """Each in the server's words, and never with a password."""
    async with tcp_server(tmp_path, *options) as port:
        store = RedisStore(connect(url.format(port=port)), "replica")
        with pytest.raises(StoreAway, match=words) as caught:
            await store.read("a")
        WATCH.search("refusal", str(caught.value).encode())
        await store.aclose()


async def test_a_node_of_a_cluster_says_how_it_is_to_be_named(cluster_url: str) -> None:
    """`redis://` to a node: a word on the scheme in place of a slot's number."""
    store = RedisStore(connect(cluster_url.split(",")[0].replace("redis+cluster", "redis")), "replica")
    results = await asyncio.gather(*(store.read(f"agent-{n}") for n in range(12)), return_exceptions=True)
    refused = [str(result) for result in results if isinstance(result, StoreRefused)]
    assert refused and all("redis+cluster://" in text for text in refused)
    await store.aclose()


async def test_a_script_never_ends_halfway_for_want_of_a_permission(tmp_path: Path) -> None:
    """A user who may not write streams, or not make a consumer group: the record and the counts stay as they were."""
    async with tcp_server(tmp_path) as port:
        for denied in ("XADD", "XGROUP", "HINCRBY", "EXPIRE", "SADD"):
            await ask_server(port, "ACL", "SETUSER", "narrow", "reset", "on", ">pw", "~*", "&*", "+@all", f"-{denied}")
            store = RedisStore(connect(f"redis://narrow:pw@127.0.0.1:{port}/0"), "replica")
            with pytest.raises(StoreRefused, match=rf"\({denied}\)$"):
                await store.commit("a", beginning(), "")
            with pytest.raises(StoreRefused, match=rf"\({denied}\)$"):
                await store.flush("a", 1, batch(canary=Arm(5)))
            await store.aclose()
        assert [key for key in await ask_server(port, "KEYS", "*") if ":probe:" not in key] == []


@pytest.mark.parametrize("denied", ["HINCRBY", "HDEL", "SADD", "EXPIRE", "XADD", "XGROUP", "HSET"])
async def test_a_permission_that_is_taken_away_leaves_nothing_halfway(tmp_path: Path, denied: str) -> None:
    """After both scripts have passed before: the batch and the change are refused whole, and done when it is given."""
    async with tcp_server(tmp_path) as port:
        await ask_server(port, "ACL", "SETUSER", "narrow", "on", ">pw", "~*", "&*", "+@all")
        store = RedisStore(connect(f"redis://narrow:pw@127.0.0.1:{port}/0"), "replica")
        await store.commit("a", beginning(), "")
        await store.flush("a", 1, batch(canary=failing("x", requests=5)))
        await ask_server(port, "ACL", "SETUSER", "narrow", f"-{denied.lower()}")
        with suppress(StoreRefused):
            await store.flush("a", 2, batch(canary=failing("y", requests=5)))
        with suppress(StoreRefused):
            await store.commit("b", beginning(), "")
        await ask_server(port, "ACL", "SETUSER", "narrow", f"+{denied.lower()}")
        reply = await store.flush("a", 2, batch(canary=failing("y", requests=5)))
        assert reply.sides is not None
        assert (reply.sides.canary.calls, reply.sides.canary.bad_units) == (10, {"errors": 2})
        assert await ask_server(port, "XLEN", "serinus:{b}:audit") == await ask_server(
            port, "EXISTS", "serinus:{b}:state"
        )
        await store.aclose()


async def test_a_refusal_makes_the_next_operation_dial_anew(tmp_path: Path) -> None:
    """Also for the connections that lay idle: each of them leads to the server that refuses."""
    make_folders(tmp_path, 2)
    async with tcp_server(tmp_path / "0") as one, tcp_server(tmp_path / "1") as two:
        name = StableName(one)
        async with name.serving() as port:
            store = RedisStore(connect(f"redis://127.0.0.1:{port}/0"), "replica")
            await asyncio.gather(*(store.read(f"agent-{n}") for n in range(20)))
            name.target = two
            await ask_server(one, "REPLICAOF", "127.0.0.1", two)
            with pytest.raises(StoreRefused, match="READONLY"):
                await store.commit("a", beginning(), "")
            assert (await store.commit("a", beginning(), "")).won
            assert await ask_server(two, "EXISTS", "serinus:{a}:state") == 1
            await store.aclose()


async def test_a_server_that_refuses_is_not_dialled_all_the_time(tmp_path: Path) -> None:
    """Two hundred refusals in a moment cost no two hundred connections."""
    async with tcp_server(tmp_path) as server:
        name = StableName(server)
        async with name.serving() as port:
            store = RedisStore(connect(f"redis://127.0.0.1:{port}/0"), "replica")
            await ask_server(server, "CONFIG", "SET", "maxmemory", "1")
            began = time.monotonic()
            for _ in range(200):
                with pytest.raises(StoreRefused, match="OOM"):
                    await store.commit("a", beginning(), "")
            assert name.connections <= 3 + (time.monotonic() - began) / DIAL_SECONDS
            await store.aclose()


async def test_scripts_are_sent_again_where_they_are_unknown(own_store: RedisStore) -> None:
    """A server that was started anew or emptied knows no script; the next operation brings it along."""
    await own_store.flush("a", 1, batch(canary=failing("x")))
    await own_store._client.execute_command("SCRIPT", "FLUSH")
    reply = await own_store.flush("a", 2, batch(canary=failing("y")))
    assert reply.sides is not None and reply.sides.canary.calls == 2


async def test_a_dead_node_takes_only_its_own_agents_away(tmp_path: Path) -> None:
    """In a cluster the agents of other nodes go on, and those of the dead one return with it, by commands and polls."""
    async with cluster_of(tmp_path) as (url, processes):
        store = RedisStore(connect(url), "replica")
        names = [f"agent-{n}" for n in range(12)]
        await asyncio.gather(*(store.commit(name, beginning(), "") for name in names))
        os.kill(processes[2].pid, signal.SIGSTOP)
        results = await asyncio.gather(*(store.read(name) for name in names), return_exceptions=True)
        away = [isinstance(result, StoreAway) for result in results]
        assert 0 < sum(away) < len(names)
        with pytest.raises(StoreAway):
            await store.epochs(names)
        os.kill(processes[2].pid, signal.SIGCONT)
        assert await _eventually_epochs(store, names) == dict.fromkeys(names, 1)
        await store.aclose()


async def _eventually_epochs(store: RedisStore, names: list[str]) -> dict[str, int]:
    while True:
        try:
            return await store.epochs(names)
        except StoreAway:
            await asyncio.sleep(0.1)


@pytest_asyncio.fixture
async def sentinel_url(tmp_path: Path) -> AsyncIterator[str]:
    """A sentinel that knows one primary, behind another that is dead."""
    for name in ("primary", "sentinel"):
        (tmp_path / name).mkdir()
    async with tcp_server(tmp_path / "primary") as primary:
        configuration = tmp_path / "sentinel" / "sentinel.conf"
        configuration.write_text(f"sentinel monitor house 127.0.0.1 {primary} 1\n")
        async with tcp_server(tmp_path / "sentinel", str(configuration), "--sentinel") as port:
            yield f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{port}/house/0"


async def test_sentinels_lead_to_the_primary(sentinel_url: str) -> None:
    """The store asks them for its address, and a dead one is passed over."""
    store = RedisStore(connect(sentinel_url), "replica")
    assert (await store.commit("a", beginning(), "")).won
    assert (await store.epochs(["a"])) == {"a": 1}
    await store.aclose()


async def test_a_connection_left_by_a_cancelled_call_answers_nobody_else(own_store: RedisStore) -> None:
    """Callers who are cancelled at any moment never leave their reply to the next one."""
    await own_store.commit("a", beginning(), "")
    for pause in range(60):
        task = asyncio.create_task(own_store.audit("a", 1))
        await asyncio.sleep(pause / 20_000)
        task.cancel()
        await asyncio.wait([task])
        assert await own_store.epochs(["a"]) == {"a": 1}
    assert isinstance(own_store._client, Redis)
