"""What an installation keeps of its store: the newest record, the latest events' hashes, and the fingerprint key."""

import asyncio
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreAway
from gateway.store import Memory, RedisStore, memory_folder
from gateway.store.memory import DELETED, EVENTS_KEPT, KEY_FILE
from policies.rollout.state import State
from tests.support.decisions import beginning, following
from tests.support.redis_servers import until


class AwayTrail:
    """A store that does not answer."""

    async def audit(self, agent: str, count: int) -> list[dict[str, Any]]:
        raise StoreAway("nobody is there")


def loaded(folder: Path) -> Memory:
    """The memory of a process that begins now."""
    memory = Memory(folder)
    memory.load()
    return memory


async def _committed(store: RedisStore, agent: str, count: int) -> State:
    state = (await store.commit(agent, beginning(), "")).state
    for _ in range(count - 1):
        assert state
        state = (await store.commit(agent, following(state), "")).state
    assert state
    return state


async def test_the_newest_record_and_its_hash_outlive_the_process(
    tmp_path: Path, store: RedisStore, agent: str
) -> None:
    """Written by one process, read by the next; for our user alone."""
    state, memory = await _committed(store, agent, 2), Memory(tmp_path / "seen")
    memory.note(agent, state)
    await memory.keep(store)
    (event,) = await store.audit(agent, 1)
    after = loaded(tmp_path / "seen")
    assert (after.state(agent), after.events(agent)) == (state, ((2, event["hash"]),))
    assert stat.S_IMODE((tmp_path / "seen").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "seen" / f"{agent}.json").stat().st_mode) == 0o600


async def test_of_two_replicas_of_a_host_the_later_record_holds(tmp_path: Path, store: RedisStore, agent: str) -> None:
    """Whichever writes last; the events of both are kept."""
    first = await _committed(store, agent, 1)
    one, two = Memory(tmp_path), Memory(tmp_path)
    one.note(agent, first)
    await one.keep(store)
    second = (await store.commit(agent, following(first), "")).state
    assert second
    two.note(agent, second)
    await two.keep(store)
    one.note(agent, first)
    await one.keep(store)
    after = loaded(tmp_path)
    assert after.state(agent) == second
    assert [epoch for epoch, _ in after.events(agent)] == [1, 2]


async def test_many_replicas_write_at_once(tmp_path: Path, store: RedisStore, agent: str) -> None:
    """No file is ever half written, and none of the replicas takes another one's record back."""
    states = [await _committed(store, agent, 1)]
    for _ in range(7):
        state = (await store.commit(agent, following(states[-1]), "")).state
        assert state
        states.append(state)
    memories = [Memory(tmp_path) for _ in states]
    for memory, state in zip(memories, states, strict=True):
        memory.note(agent, state)
    await asyncio.gather(*(memory.keep(store) for memory in memories))
    assert loaded(tmp_path).state(agent) == states[-1]


async def test_the_hash_is_asked_for_again_when_the_store_is_back(
    tmp_path: Path, store: RedisStore, agent: str
) -> None:
    """The record is kept at once all the same."""
    state, memory = await _committed(store, agent, 1), Memory(tmp_path)
    memory.note(agent, state)
    await memory.keep(AwayTrail())
    assert (loaded(tmp_path).state(agent), loaded(tmp_path).events(agent)) == (state, ())
    await memory.keep(store)
    assert len(loaded(tmp_path).events(agent)) == 1


async def test_what_is_known_is_not_written_again(tmp_path: Path, store: RedisStore, agent: str) -> None:
    """A start over a store that has not moved asks it for nothing and writes nothing."""
    state, memory = await _committed(store, agent, 1), Memory(tmp_path)
    memory.note(agent, state)
    await memory.keep(store)
    written = (tmp_path / f"{agent}.json").stat().st_mtime_ns
    after = loaded(tmp_path)
    after.note(agent, state)
    await after.keep(AwayTrail())
    assert (tmp_path / f"{agent}.json").stat().st_mtime_ns == written


async def test_the_file_stays_small(tmp_path: Path, store: RedisStore, agent: str) -> None:
    """The latest events alone."""
    memory, state = Memory(tmp_path), await _committed(store, agent, 1)
    for _ in range(EVENTS_KEPT + 5):
        memory.note(agent, state)
        await memory.keep(store)
        found = (await store.commit(agent, following(state), "")).state
        assert found
        state = found
    events = loaded(tmp_path).events(agent)
    assert len(events) == EVENTS_KEPT and events[-1][0] == EVENTS_KEPT + 5
    assert (tmp_path / f"{agent}.json").stat().st_size < 5000


async def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, store: RedisStore, agent: str) -> None:
    """All else goes on; what was seen holds for the life of the process."""
    said: list[tuple[str, Mapping[str, object]]] = []
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file", lambda *line: said.append(line))
    state = await _committed(store, agent, 1)
    memory.note(agent, state)
    await memory.keep(store)
    await memory.keep_key(b"k" * 32)
    assert (memory.state(agent), memory.key) == (state, b"k" * 32)
    assert [sentence for sentence, _ in said] == [
        "the memory of the store cannot be written; a restart will not recognise a lost store"
    ]


async def test_a_folder_that_is_deleted_is_written_anew(tmp_path: Path, store: RedisStore, agent: str) -> None:
    """By the running process, from what it knows, and with one warning."""
    said: list[str] = []
    memory = Memory(tmp_path / "data" / "seen", lambda sentence, _: said.append(sentence))
    memory.note(agent, await _committed(store, agent, 2))
    await memory.keep(store)
    await memory.keep_key(b"k" * 32)
    shutil.rmtree(tmp_path / "data")
    await memory.keep(store)
    await memory.keep(store)
    after = loaded(tmp_path / "data" / "seen")
    assert (after.state(agent), after.events(agent)) == (memory.state(agent), memory.events(agent))
    assert (after.key, said) == (b"k" * 32, [DELETED])


@pytest.mark.parametrize("content", [b"[" * 200_000, b"[]", b'{"record": []}', b'{"record": {"epoch": Infinity}}'])
def test_a_file_of_another_hand_is_said_and_not_believed(tmp_path: Path, content: bytes) -> None:
    """However it is nested, and whatever stands in it."""
    (tmp_path / "support.json").write_bytes(content)
    said: list[str] = []
    memory = Memory(tmp_path, lambda sentence, _: said.append(sentence))
    memory.load()
    assert memory.state("support") is None
    assert len(said) == 1 and said[0].startswith("the memory of the store cannot be read: support.json")


@pytest.mark.parametrize("length", [0, 1, 31, 33, 100])
def test_a_key_of_another_length_on_the_disk_is_not_taken(tmp_path: Path, length: int) -> None:
    """A short one could be guessed, and a long one is refused by the digest at every call."""
    (tmp_path / KEY_FILE).write_text("ab" * length)
    said: list[str] = []
    memory = Memory(tmp_path, lambda sentence, _: said.append(sentence))
    memory.load()
    assert memory.key is None and len(said) == 1


async def test_a_folder_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    """Whoever can put a link there could choose the key, and so forge call ids."""
    await Memory(tmp_path / "theirs").keep_key(b"t" * 32)
    (tmp_path / "seen").symlink_to(tmp_path / "theirs")
    said: list[str] = []
    memory = Memory(tmp_path / "seen", lambda sentence, _: said.append(sentence))
    memory.load()
    assert memory.key is None
    assert said == ["the memory of the store cannot be used; a restart will not recognise a lost store"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"record": {"epoch": "1"}, "events": []}', '{"record": {}}'])
async def test_a_file_that_cannot_be_read_is_said_and_replaced(
    tmp_path: Path, store: RedisStore, agent: str, content: str
) -> None:
    """It does not keep the gateway from starting."""
    said: list[str] = []
    (tmp_path / f"{agent}.json").write_text(content)
    memory = Memory(tmp_path, lambda sentence, _: said.append(sentence))
    memory.load()
    assert len(said) == 1 and agent in said[0]
    state = await _committed(store, agent, 1)
    memory.note(agent, state)
    await memory.keep(store)
    assert loaded(tmp_path).state(agent) == state


async def test_the_fingerprint_key_outlives_the_process(tmp_path: Path) -> None:
    """For our user alone, like all of it."""
    await Memory(tmp_path).keep_key(bytes(range(32)))
    assert loaded(tmp_path).key == bytes(range(32))
    assert stat.S_IMODE((tmp_path / "fingerprint-key").stat().st_mode) == 0o600


def test_every_store_has_a_memory_of_its_own() -> None:
    """By its address; a new password is the same store, and no password is part of a name."""
    urls = ["embedded", "redis://a:6379/0", "redis://a:6379/1", "rediss://a:6379/0", "redis+sentinel://a,b/main"]
    urls += ["redis://a?db=2", "redis+sentinel://a,b/other", "unix:///run/a.sock", "unix:///run/a.sock?db=1"]
    folders = [memory_folder(Path("data"), url) for url in urls]
    assert len(set(folders)) == len(urls)
    assert folders[0] == Path("data/seen/embedded")
    for same in ("redis://me:s3cret@a:6379/0", "redis://:s3%2Fcret@a", "redis://a?db=0"):
        assert memory_folder(Path("data"), same) == folders[1]
    assert all(folder.parent == Path("data/seen") for folder in folders)


async def _is_linked(folder: Path, agent: str) -> bool:
    return loaded(folder).events(agent) != ()


async def test_it_is_written_in_the_background(tmp_path: Path, store: RedisStore, agent: str) -> None:
    """Without a word from whoever noted it."""
    memory = Memory(tmp_path)
    working = asyncio.create_task(memory.keep_for_ever(store))
    memory.note(agent, await _committed(store, agent, 1))
    await until(lambda: _is_linked(tmp_path, agent))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
