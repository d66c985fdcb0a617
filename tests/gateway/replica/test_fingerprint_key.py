"""The key of fingerprints and call ids without one in the configuration: secret, shared, and kept."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.auth import OPEN
from gateway.errors import StoreAway
from gateway.rehearsal.standin import Standin
from gateway.replica.fingerprint_key import KEY_BYTES, SharedKey
from gateway.rollout.call_id import mint, place
from gateway.store import Memory, RedisStore, connect
from gateway.store.memory import STRANGE_KEY
from tests.support.crowd import ask
from tests.support.redis_servers import tcp_server
from tests.support.running import provider, running, trial, write

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """A store of the test's own, which no replica has used."""
    (tmp_path / "store").mkdir()
    async with tcp_server(tmp_path / "store") as port:
        yield f"redis://127.0.0.1:{port}/0"


async def _agree(url: str, memory: Memory) -> tuple[bytes, bool]:
    """The key of a replica that starts now, and whether it was told another one than it had."""
    store, is_new = RedisStore(connect(url), "replica"), False
    key = SharedKey(store, memory)
    with suppress(StoreAway):  # which changes nothing
        is_new = await key.agree()
        await key.keep()
    await store.aclose()
    return key.value, is_new


async def _agreed(url: str, memory: Memory) -> bytes:
    return (await _agree(url, memory))[0]


def _loaded(folder: Path) -> Memory:
    memory = Memory(folder)
    memory.load()
    return memory


async def test_every_replica_of_a_store_has_the_same_secret_key(url: str, tmp_path: Path) -> None:
    """Made by the first of them, on whichever host the others are."""
    keys = [await _agreed(url, Memory(tmp_path / host)) for host in ("one", "two")]
    assert keys[0] == keys[1] and len(keys[0]) == KEY_BYTES


async def test_two_stores_have_two_keys(url: str, tmp_path: Path) -> None:
    """Nobody can learn it from another installation, nor from the source."""
    (tmp_path / "other").mkdir()
    async with tcp_server(tmp_path / "other") as port:
        assert await _agreed(url, Memory()) != await _agreed(f"redis://127.0.0.1:{port}/0", Memory())


@pytest.mark.parametrize("length", [1, 31, 100])
async def test_a_key_of_another_length_in_the_store_is_not_taken(url: str, length: int) -> None:
    """The replica keeps its own, and says so once."""
    said: list[str] = []
    async with Redis.from_url(url) as redis:
        await redis.set("serinus:fingerprint-key", "ab" * length)
    memory = Memory(None, lambda sentence, _: said.append(sentence))
    keys = [await _agreed(url, memory) for _ in range(2)]
    assert {len(key) for key in keys} == {KEY_BYTES} and said == [STRANGE_KEY]


async def test_a_start_without_the_store_has_the_key_of_before(url: str, tmp_path: Path) -> None:
    """From this installation's own disk; the conversations keep their versions."""
    before = await _agreed(url, Memory(tmp_path / "seen"))
    assert await _agreed(NOBODY, _loaded(tmp_path / "seen")) == before


async def test_a_store_that_lost_the_key_gets_it_back(url: str, tmp_path: Path) -> None:
    """From whichever installation asks first; the others follow."""
    before = await _agreed(url, Memory(tmp_path / "seen"))
    client = Redis.from_url(url)
    await client.flushall()
    await client.aclose()
    assert await _agreed(url, _loaded(tmp_path / "seen")) == before
    assert await _agreed(url, Memory()) == before


async def test_a_store_with_another_key_wins(url: str, tmp_path: Path) -> None:
    """All replicas must agree; this one says so to whoever uses its key, and remembers the other one."""
    await Memory(tmp_path / "seen").keep_key(b"o" * KEY_BYTES)
    theirs = await _agreed(url, Memory())
    assert await _agree(url, _loaded(tmp_path / "seen")) == (theirs, True)
    assert _loaded(tmp_path / "seen").key == theirs


async def test_what_is_no_key_is_not_used(url: str, tmp_path: Path) -> None:
    """Somebody wrote nonsense into the store: the replica goes on with its own."""
    client = Redis.from_url(url)
    await client.set("serinus:fingerprint-key", "nonsense")
    await client.aclose()
    await Memory(tmp_path / "seen").keep_key(b"o" * KEY_BYTES)
    assert await _agreed(url, _loaded(tmp_path / "seen")) == b"o" * KEY_BYTES


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider() as standin:
        yield standin


async def test_a_call_id_made_with_the_published_key_is_unknown(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Earlier versions signed call ids with a key that everybody can read in the source: feedback could be forged."""
    async with running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        state = served.gateway.services.table.seen(agent)
        assert state
        booked = place(agent, "v2", "canary", False, state.rollout, state.evidence)
        for key, status in ((b"serinus", 404), (b"", 404), (bytes(KEY_BYTES), 404), (served.gateway.key.value, 200)):
            body = json.dumps({"call_id": mint(booked, "0" * 16, OPEN.name, b"12345678", key), "score": 0}).encode()
            reply = await ask(served.url, "POST", "/v1/feedback", body)
            assert reply.status == status, key


async def test_the_configurations_own_key_wins(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """Before and after the store has told its key."""
    files = trial(agent, standin)
    gateway = files["gateway.yaml"]
    assert isinstance(gateway, dict)
    gateway["fingerprint_key"] = "${FINGERPRINT}"
    async with running(write(tmp_path, files), redis_url, {"FINGERPRINT": "ours"}) as served:
        assert served.gateway.services.runtime.fingerprint_key == b"ours"
        served.gateway.turn_key()
        assert served.gateway.services.runtime.fingerprint_key == b"ours"


async def test_a_key_that_is_learned_late_is_used_from_then_on(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """The store was away at the start. A reload keeps the key, too."""
    async with running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        gateway = served.gateway
        shared = gateway.key.value
        gateway.key.value = b"x" * KEY_BYTES
        gateway.turn_key()
        await gateway.agree_on_key()
        assert gateway.services.runtime.fingerprint_key == shared
        served.reload()
        assert gateway.services.runtime.fingerprint_key == shared
