"""The data folder's stamp: no server over data that it cannot read, no empty start where there was data.

`written_by` holds folders that gateways with the named server wrote: agent `demo` was rolled back at epoch 2.
"""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreAway
from gateway.store import EmbeddedRedis, EmbeddedRedisFailed, RedisStore, connect, open_store, verify
from gateway.store.data_folder import STAMP, open_to_others, read_stamp
from tests.gateway.store.programs import program
from tests.support.decisions import beginning
from tests.support.redis_servers import until

WRITTEN_BY = Path(__file__).parent / "written_by"


def _silent(sentence: str, fields: Mapping[str, object]) -> None:
    """A log that nobody reads."""


async def _start(folder: Path, binary: Path | None = None) -> None:
    """Start a server over the folder and stop it."""
    server = EmbeddedRedis(folder, _silent, binary)
    await server.start()
    await server.stop()


async def _filled(folder: Path) -> Path:
    """A data folder in which an agent `a` is on trial at epoch 1."""
    opened = await open_store("embedded", folder, "replica", _silent)
    await opened.store.commit("a", beginning(), "")
    await opened.aclose()
    return folder


def _stamp(folder: Path) -> Any:
    return json.loads((folder / "server.json").read_text())


def _restamp(folder: Path, **changes: object) -> None:
    (folder / "server.json").write_text(json.dumps({**_stamp(folder), **changes}))


@pytest.mark.parametrize("server", ["redis-6.2", "redis-7.0"])
async def test_the_data_of_an_older_gateway_is_taken_over(tmp_path: Path, server: str) -> None:
    """A canary that was rolled back there stays so, its audit trail goes on whole, and it stays over a second start."""
    folder = tmp_path / "data"
    shutil.copytree(WRITTEN_BY / server, folder)
    said: list[tuple[str, Mapping[str, object]]] = []
    for _ in range(2):
        opened = await open_store("embedded", folder, "replica", lambda *line: said.append(line))
        state, _ = await opened.store.read("demo")
        events = [event async for event in opened.store.audit_all("demo")]
        await opened.aclose()
        assert state and (state.phase, state.epoch) == ("rolled_back", 2)
        assert (len(events), verify(events)) == (2, [])
    assert [sentence for sentence, _ in said] == ["the embedded store takes over data"]
    assert _stamp(folder)["family"] == "valkey"


async def test_a_server_that_sees_no_folder_of_files_cannot_begin_beside_it(tmp_path: Path) -> None:
    """Redis before 7 writes `appendonly.aof`. A folder of that name ends it at once, also under an older gateway."""
    folder = await _filled(tmp_path / "data")
    with pytest.raises(IsADirectoryError):
        (folder / "appendonly.aof").open("ab")


@pytest.mark.parametrize("says", ["Redis server v=6.2.14", "Redis server v=7.0.15", "Valkey server v=9.0.9"])
async def test_a_server_that_cannot_read_the_data_is_refused(tmp_path: Path, says: str) -> None:
    """An older one, or Redis over Valkey's; the sentence names both, and what to do. The data stays as it is."""
    folder = await _filled(tmp_path / "data")
    before = _stamp(folder)
    with pytest.raises(
        EmbeddedRedisFailed, match=r"written by Valkey 9\.1\.\d+, which .* cannot read; .* store_binary"
    ):
        await _start(folder, program(tmp_path, "server", says))
    assert _stamp(folder) == before


async def test_a_server_before_redis_7_is_refused_over_unstamped_data_of_a_later_one(tmp_path: Path) -> None:
    """It would not see the folder of files, start empty, and say nothing."""
    shutil.copytree(WRITTEN_BY / "redis-7.0", tmp_path / "data")
    with pytest.raises(EmbeddedRedisFailed, match="would not see it and start empty"):
        await _start(tmp_path / "data", program(tmp_path, "server", "Redis server v=6.2.14"))


async def test_data_of_two_servers_needs_a_person(tmp_path: Path) -> None:
    """Where two servers have written in turn, the gateway does not guess which of them is right."""
    shutil.copytree(WRITTEN_BY / "redis-7.0", tmp_path / "data")
    shutil.copy(WRITTEN_BY / "redis-6.2" / "appendonly.aof", tmp_path / "data")
    with pytest.raises(EmbeddedRedisFailed, match=r"two servers: appendonly.aof \(last written .* move the other"):
        await _start(tmp_path / "data")


async def test_a_takeover_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    """The server's first step is a manifest that names the old file; its next one moves that file."""
    folder = tmp_path / "data"
    shutil.copytree(WRITTEN_BY / "redis-6.2", folder)
    (folder / "appendonlydir").mkdir()
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("file appendonly.aof seq 1 type b\n")
    opened = await open_store("embedded", folder, "replica", _silent)
    assert await opened.store.epochs(["demo"]) == {"demo": 2}
    await opened.aclose()


async def test_data_that_is_gone_is_no_beginning(tmp_path: Path) -> None:
    """The files were deleted, but not the stamp: the start is refused, with the way back and the way out."""
    folder = await _filled(tmp_path / "data")
    shutil.rmtree(folder / "appendonlydir")
    with pytest.raises(
        EmbeddedRedisFailed, match=r"is gone: .* from a backup\. To begin anew .* delete .*server\.json"
    ):
        await _start(folder)
    (folder / "server.json").unlink()
    await _start(folder)


async def test_a_server_that_comes_up_empty_over_data_is_stopped(tmp_path: Path) -> None:
    """Files are there, and hold nothing any more."""
    folder = await _filled(tmp_path / "data")
    for part in (folder / "appendonlydir").glob("*.incr.aof"):
        part.write_bytes(b"")
    server = EmbeddedRedis(folder, _silent)
    with pytest.raises(EmbeddedRedisFailed, match="is gone"):
        await server.start()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid or 0, 0)


async def test_a_later_server_moves_the_stamp_on(tmp_path: Path) -> None:
    """From then on the earlier one is refused."""
    folder = await _filled(tmp_path / "data")
    _restamp(folder, version="8.1.0")
    await _start(folder)
    assert _stamp(folder)["version"].startswith("9.1.")


async def test_a_stamp_that_cannot_be_read_is_not_ignored(tmp_path: Path) -> None:
    """Whoever edited it, or a disk, has to answer for the data beside it."""
    folder = await _filled(tmp_path / "data")
    (folder / "server.json").write_text('{"family": "valkey"')
    with pytest.raises(EmbeddedRedisFailed, match=r"server\.json cannot be read"):
        await _start(folder)


async def test_damaged_data_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """The message names nothing that is not shipped."""
    await _start(tmp_path)
    (file,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(b"garbage\r\n" * 20 + file.read_bytes())
    with pytest.raises(EmbeddedRedisFailed, match="is damaged") as raised:
        await _start(tmp_path)
    assert "move appendonlydir and server.json out of" in str(raised.value) and "check-aof" not in str(raised.value)


@pytest.mark.parametrize("version", ["9.1\n", "\x1b[2J9.1", "9.1\x1b[31m", "٣.1", "", "9" * 99])
def test_the_words_of_a_stamp_are_those_of_a_server(tmp_path: Path, version: str) -> None:
    """Nothing else of a file reaches the operator's terminal as it stands."""
    (tmp_path / STAMP).write_text(json.dumps({"family": "valkey", "version": version, "holds_data": True}))
    with pytest.raises(EmbeddedRedisFailed, match="cannot be read") as raised:
        read_stamp(tmp_path)
    assert str(raised.value).isprintable()


def test_a_stamp_that_is_nested_too_deep_cannot_be_read(tmp_path: Path) -> None:
    """It is refused like any other that cannot be read."""
    (tmp_path / STAMP).write_text("[" * 200_000)
    with pytest.raises(EmbeddedRedisFailed, match="cannot be read"):
        read_stamp(tmp_path)


@pytest.mark.parametrize(("mode", "is_open"), [(0o755, False), (0o777, True), (0o1777, False), (0o775, False)])
def test_a_place_where_everybody_may_write_is_found(tmp_path: Path, mode: int, is_open: bool) -> None:
    """Who may rename the folder could put another one in its place."""
    (tmp_path / "place").mkdir()
    (tmp_path / "place").chmod(mode)
    assert (open_to_others(tmp_path / "place" / "data") == tmp_path / "place") is is_open


async def test_a_server_that_is_killed_at_once_leaves_a_stamp_that_holds(tmp_path: Path) -> None:
    """The stamp speaks of data only when a key is on the disk, so a crash right after the first start costs nothing."""
    server = EmbeddedRedis(tmp_path / "data", _silent)
    url = await server.start()
    os.kill(server.pid or 0, signal.SIGKILL)
    store = RedisStore(connect(url), "replica")
    await until(lambda: _has_pinged(store))
    await store.aclose()
    await server.stop()
    await _start(tmp_path / "data")


async def _has_pinged(store: RedisStore) -> bool:
    with contextlib.suppress(StoreAway):
        await store.ping()
        return True
    return False
