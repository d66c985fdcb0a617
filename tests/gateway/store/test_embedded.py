"""The private server: alone in its folder, gone with its gateway, back when it dies."""

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, create_subprocess_exec
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.errors import StoreAway
from gateway.store import EmbeddedRedis, EmbeddedRedisFailed, RedisStore, connect, open_store
from gateway.store.embedded import DATA_DELETED
from gateway.store.server_binary import bundled_binary
from gateway.timings import Timings
from tests.support.decisions import beginning
from tests.support.listening import listening
from tests.support.redis_servers import is_listening, until

# A gateway that starts its server, says the server's process id, and then kills itself without any farewell.
KILLED_GATEWAY = """
import asyncio, os, pathlib, sys
from gateway.store import EmbeddedRedis
async def main():
    server = EmbeddedRedis(pathlib.Path(sys.argv[1]), log=lambda *_: None)
    await server.start()
    print(server.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


def _silent(sentence: str, fields: Mapping[str, object]) -> None:
    """A log that nobody reads."""


async def test_the_record_survives_a_stop_and_a_start(tmp_path: Path) -> None:
    """All of it lies in the data folder."""
    for epoch in (0, 1):
        opened = await open_store("embedded", tmp_path, "replica", _silent)
        assert await opened.store.epochs(["a"]) == {"a": epoch}
        await opened.store.commit("a", beginning(), "")
        assert opened.backend == "embedded"
        await opened.aclose()


async def test_a_url_opens_no_server_and_need_not_answer_yet(tmp_path: Path) -> None:
    """A gateway starts while its store is down."""
    opened = await open_store("redis://127.0.0.1:1/0", tmp_path, "replica", _silent)
    assert (opened.backend, opened.server) == ("redis", None)
    with pytest.raises(StoreAway):
        await opened.store.ping()
    await opened.aclose()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_nobody_else_can_reach_it(server: EmbeddedRedis) -> None:
    """The folder and the socket are ours alone, and it listens on no port."""
    store = connect(f"unix://{server.socket}")
    assert _mode(server.socket) == _mode(server.socket.parent) == 0o700
    assert (await store.config_get("port"))["port"] == "0"
    assert {"appendonly": "yes", "appendfsync": "everysec"}.items() <= (await store.config_get("append*")).items()
    await store.aclose()


async def test_a_folder_serves_one_gateway(server: EmbeddedRedis) -> None:
    """A second one over the same folder is refused, with the folder's name and the way out."""
    folder = server.socket.parent
    with pytest.raises(EmbeddedRedisFailed, match=f"{folder} is in use by another gateway"):
        await EmbeddedRedis(folder, _silent).start()
    client = connect(f"unix://{server.socket}")
    assert await client.exists("anything") == 0
    await client.aclose()


async def test_a_folder_is_free_after_a_stop_or_a_failed_start(tmp_path: Path) -> None:
    """The lock goes with the server."""
    with pytest.raises(EmbeddedRedisFailed):
        await EmbeddedRedis(tmp_path, _silent, binary=Path("/bin/false")).start()
    for _ in range(2):
        server = EmbeddedRedis(tmp_path, _silent)
        await server.start()
        await server.stop()
        assert not server.socket.exists()


async def test_it_is_started_again_and_says_so(tmp_path: Path) -> None:
    """A killed server is back within a second or so, and the log tells how it ended."""
    said: list[tuple[str, Mapping[str, object]]] = []
    server = EmbeddedRedis(tmp_path, log=lambda sentence, fields: said.append((sentence, fields)))
    store = RedisStore(connect(await server.start()), "replica")
    first = server.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: _answers(store))
    assert server.pid != first
    assert [fields["exit_code"] for _, fields in said] == [-signal.SIGKILL]
    await store.aclose()
    await server.stop()


async def _answers(store: RedisStore) -> bool:
    with contextlib.suppress(StoreAway):
        await store.ping()
        return True
    return False


async def test_stop_while_it_is_about_to_be_started_again(tmp_path: Path) -> None:
    """No server is left behind by a gateway that stops in the pause between two of them."""
    server = EmbeddedRedis(tmp_path, _silent)
    await server.start()
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    await asyncio.sleep(0.06)
    await server.stop()
    await asyncio.sleep(0.1)
    assert not await is_listening(server.socket)


async def test_a_frozen_server_is_stopped_all_the_same(tmp_path: Path) -> None:
    """One that does not react to being told is killed."""
    server = EmbeddedRedis(tmp_path, _silent, timings=Timings(server_end=0.3))
    await server.start()
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    await server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


async def test_it_does_not_outlive_a_killed_gateway(tmp_path: Path) -> None:
    """kill -9 of the gateway ends its server too, and the next one starts over the same folder."""
    gateway = await create_subprocess_exec(sys.executable, "-c", KILLED_GATEWAY, str(tmp_path), stdout=PIPE)
    output, _ = await gateway.communicate()
    assert output
    await until(lambda: _is_gone(tmp_path / "redis.sock"))
    server = EmbeddedRedis(tmp_path, _silent)
    await server.start()
    await server.stop()


async def _is_gone(path: Path) -> bool:
    return not await is_listening(path)


@pytest.mark.parametrize("frozen", [False, True])
async def test_a_server_left_behind_is_ended_before_the_next_start(tmp_path: Path, frozen: bool) -> None:
    """Two servers over one append-only file would spoil it; the one whose gateway is gone has to leave."""
    orphan = await create_subprocess_exec(
        str(bundled_binary()), "--port", "0", "--unixsocket", str(tmp_path / "redis.sock"), "--dir", str(tmp_path),
        "--appendonly", "yes", stdout=DEVNULL,
    )  # fmt: skip
    await until(lambda: is_listening(tmp_path / "redis.sock"))
    orphan.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)
    server = EmbeddedRedis(tmp_path, _silent, timings=Timings(server_end=0.5))
    await server.start()
    assert await orphan.wait() == (-signal.SIGKILL if frozen else 0)
    assert server.pid != orphan.pid
    await server.stop()


async def test_a_deep_folder_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    """A path too long for a socket: a private folder under the temporary one, the same at every start."""
    folder = tmp_path / ("deep" * 30)
    server = EmbeddedRedis(folder, _silent)
    url = await server.start()
    assert _mode(server.socket.parent) == 0o700 and len(str(server.socket)) < 100
    assert (folder / "appendonlydir").exists()
    store = RedisStore(connect(url), "replica")
    await store.ping()
    await store.aclose()
    await server.stop()
    assert EmbeddedRedis(folder, _silent).socket == server.socket
    assert not server.socket.parent.exists()


def test_the_socket_fits_even_where_the_temporary_folder_lies_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both paths are too long for a socket, the system's own temporary folder takes it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("d" * 100)))
    server = EmbeddedRedis(tmp_path / ("e" * 100), log=lambda *_: None)
    assert str(server.socket).startswith("/tmp/serinus-")


async def test_a_folder_with_odd_characters_works(tmp_path: Path) -> None:
    """Spaces, quotes and percent signs in the data folder's name."""
    server = EmbeddedRedis(tmp_path / "a \"b\" 'c' 100%20 é", _silent)
    store = RedisStore(connect(await server.start()), "replica")
    await store.ping()
    await store.aclose()
    await server.stop()


async def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to the temporary folder could lead our socket elsewhere."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    server = EmbeddedRedis(tmp_path / ("deep" * 40), _silent)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "elsewhere").mkdir()
    server.socket.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedRedisFailed, match="another user"):
        await server.start()


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """The message names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedRedisFailed, match="file cannot be used"):
        await EmbeddedRedis(tmp_path / "file", _silent).start()


async def test_data_that_cannot_be_loaded_is_shown(tmp_path: Path) -> None:
    """The server's own last words come with the error."""
    (tmp_path / "appendonly.aof").write_bytes(b"*1\r\n$4\r\nnope\r\n*x\r\n" * 5)
    with pytest.raises(EmbeddedRedisFailed, match=r"gave up with exit code 1: .*"):
        await EmbeddedRedis(tmp_path, _silent).start()


async def test_a_file_that_ends_in_the_middle_of_a_record_is_loaded(tmp_path: Path) -> None:
    """As a power cut leaves it: what came before the cut is there, and the next start finds it whole."""
    server = EmbeddedRedis(tmp_path / "data", _silent)
    store = RedisStore(connect(await server.start()), "replica")
    for name in ("a", "b"):
        await store.commit(name, beginning(), "")
    await store.aclose()
    await server.stop()
    (file,) = (tmp_path / "data" / "appendonlydir").glob("*.incr.aof")
    os.truncate(file, file.stat().st_size - 40)
    for _ in range(2):
        server = EmbeddedRedis(tmp_path / "data", _silent)
        store = RedisStore(connect(await server.start()), "replica")
        assert (await store.epochs(["a"])) == {"a": 1}
        await store.aclose()
        await server.stop()


async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The sentence names the folder; there is no traceback of the system's."""
    with pytest.raises(EmbeddedRedisFailed, match="/sys/serinus/redis cannot be used"):
        await EmbeddedRedis(Path("/sys/serinus/redis"), _silent).start()


async def test_a_server_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    """One that neither answers nor exits is ended, and the folder is free again."""
    idle = tmp_path / "idle"
    idle.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Valkey server v=9.1.2" && exit\nexec sleep 60\n')
    idle.chmod(0o755)
    server = EmbeddedRedis(tmp_path / "data", _silent, binary=idle, timings=Timings(server_ready=0.2))
    with pytest.raises(EmbeddedRedisFailed, match="not ready"):
        await server.start()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid or 0, 0)


async def test_data_that_is_deleted_under_it_is_written_anew(tmp_path: Path) -> None:
    """From the server's memory, so nothing is lost."""
    said: list[str] = []
    opened = await open_store("embedded", tmp_path, "replica", lambda sentence, _: said.append(sentence))
    await opened.store.commit("a", beginning(), "")
    shutil.rmtree(tmp_path / "appendonlydir")
    (tmp_path / "server.json").unlink()

    async def is_stamped() -> bool:
        return await asyncio.to_thread((tmp_path / "server.json").exists)

    await until(is_stamped)
    await opened.aclose()
    assert DATA_DELETED in said
    again = await open_store("embedded", tmp_path, "replica", _silent)
    assert await again.store.epochs(["a"]) == {"a": 1}
    await again.aclose()


async def test_what_prevents_the_next_start_is_logged(tmp_path: Path) -> None:
    """The folder is gone: said again and again, until it is back or we stop."""
    said: list[str] = []
    server = EmbeddedRedis(tmp_path / "data", log=lambda sentence, _: said.append(sentence))
    await server.start()
    shutil.rmtree(tmp_path / "data")
    os.kill(server.pid or 0, signal.SIGKILL)
    await until(lambda: _said(said, "the embedded Redis cannot be started"))
    await server.stop()


async def _said(said: list[str], sentence: str) -> bool:
    return sentence in said


async def test_a_stranger_at_the_socket_is_left_alone_where_nobody_says_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside Linux, or across containers, the process cannot be told; better no start than two writers."""
    monkeypatch.delattr("socket.SO_PEERCRED")

    async def stranger(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(stranger, unix=tmp_path / "redis.sock"):
        with pytest.raises(EmbeddedRedisFailed, match="another server listens on"):
            await EmbeddedRedis(tmp_path, _silent).start()
