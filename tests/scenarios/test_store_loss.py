"""The store loses what it held between two lives of the gateway: no rolled-back canary returns, and it is said."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.embedded import FOLDER_DELETED
from gateway.store.memory import DELETED
from tests.scenarios.conftest import external
from tests.support.processes import ENDS_WITHIN, Served, command, serving, start
from tests.support.redis_servers import ExternalRedis, until
from tests.support.running import provider, trial, write

__all__ = ["external"]  # a fixture


@pytest.fixture
async def folder(tmp_path: Path, agent: str) -> AsyncIterator[Path]:
    """The configuration of a trial of one agent."""
    async with provider() as standin:
        yield write(tmp_path / "config", trial(agent, standin))


async def _abort(served: Served, agent: str) -> None:
    """A person takes the canary out: epoch 2."""
    done = await command("rollout", "abort", agent, "--reason", "it was bad", "--url", served.url)
    assert done.code == 0, done.errors


async def _state(served: Served, agent: str) -> tuple[str | None, int]:
    found = (await served.status()).agents[agent]
    return found.phase, found.epoch


async def test_an_emptied_redis_is_told_by_name(folder: Path, agent: str, external: ExternalRedis) -> None:
    """Emptied while the gateway was down: the canary stays out, and `audit --verify` says which events are gone."""
    environ = {"SERINUS_STORE": external.url}
    async with serving(folder, environ, "first") as served:
        await _abort(served, agent)
        assert (await command("audit", agent, "--verify", "--url", served.url)).code == 0
        assert await served.end() == 0
    await external.flush_all()
    async with serving(folder, environ, "second") as served:
        assert await _state(served, agent) == ("rolled_back", 3)
        verified = await command("audit", agent, "--verify", "--url", served.url)
    assert verified.code == 1
    assert "epoch 2 (" in verified.out and "this installation has seen it, but the store has lost it" in verified.out


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_an_embedded_store_without_its_data_is_refused_then_put_right(
    folder: Path, agent: str, workers: str
) -> None:
    """The start is refused with the way out; after that, what this installation has seen is put back."""
    environ, data = {"SERINUS_WORKERS": workers}, folder.parent / ".serinus" / "redis"
    async with serving(folder, environ, "first") as served:
        await _abort(served, agent)
        assert await served.end() == 0
    shutil.rmtree(data / "appendonlydir")
    refused = await start(folder, environ, "refused")
    async with asyncio.timeout(ENDS_WITHIN):
        assert await refused.process.wait() == 2
    assert f"delete {data / 'server.json'}" in refused.errors.read_text()
    (data / "server.json").unlink()
    async with serving(folder, environ, "second") as served:
        assert await _state(served, agent) == ("rolled_back", 3)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_data_folder_that_is_deleted_under_a_gateway_is_noticed(folder: Path, agent: str, workers: str) -> None:
    """It is said, the records are put back, and the next life of the gateway begins with them."""
    environ, data = {"SERINUS_WORKERS": workers}, folder.parent / ".serinus"
    async with serving(folder, environ, "first") as served:
        await _abort(served, agent)
        shutil.rmtree(data)

        async def is_put_back() -> bool:
            return await _state(served, agent) == ("rolled_back", 3) and (data / "redis" / "server.json").exists()

        await until(is_put_back)
        messages = {line["message"] for line in served.log() if line["event"] == "store"}
        assert {DELETED, FOLDER_DELETED} <= messages
        assert await served.end() == 0
    async with serving(folder, environ, "second") as served:
        assert await _state(served, agent) == ("rolled_back", 3)


async def test_a_data_folder_that_is_deleted_right_before_the_end_is_remembered(folder: Path, agent: str) -> None:
    """What a gateway knows it writes once more at its end."""
    async with serving(folder, {}, "first") as served:
        await _abort(served, agent)
        shutil.rmtree(folder.parent / ".serinus")
        assert await served.end() == 0
    async with serving(folder, {}, "second") as served:
        assert (await _state(served, agent))[0] == "rolled_back"


async def test_a_start_without_a_memory_says_so(folder: Path, agent: str) -> None:
    """As from another working folder; the line `serving` names the places."""
    data = folder.parent / ".serinus"
    async with serving(folder, {}, "first") as served:
        (line,) = [line for line in served.log() if line["event"] == "serving"]
        assert (line["store"], line["data"], line["config"]) == ("embedded", str(data), str(folder))
        (warning,) = [line["message"] for line in served.log() if line["event"] == "memory"]
        assert warning.startswith(f"no memory of this store in {data / 'seen' / 'embedded'}")
        verified = await command("audit", agent, "--verify", "--url", served.url)
        assert verified.code == 0 and verified.errors.startswith("nothing was recorded before this start")
        assert await served.end() == 0
    async with serving(folder, {}, "second") as served:
        assert [line for line in served.log() if line["event"] == "memory"] == []
        assert (await command("audit", agent, "--verify", "--url", served.url)).errors == ""


async def test_an_unwritable_memory_keeps_nobody_from_serving(
    folder: Path, agent: str, external: ExternalRedis
) -> None:
    """As in a container whose files cannot be written: one warning, and the gateway serves."""
    (folder.parent / ".serinus").write_text("")
    async with serving(folder, {"SERINUS_STORE": external.url}) as served:
        await _abort(served, agent)
        assert (await command("audit", agent, "--verify", "--url", served.url)).code == 0
        assert await served.end() == 0
        warnings = [line["message"] for line in served.log() if line["event"] == "store"]
    assert len(warnings) == 1 and warnings[0].startswith("the memory of the store cannot be")


async def test_two_replicas_of_one_host_remember_one_history(folder: Path, agent: str, external: ExternalRedis) -> None:
    """They share the files; each reads there what either has seen."""
    environ = {"SERINUS_STORE": external.url}
    async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
        await _abort(one, agent)
        assert await one.end() == 0 and await two.end() == 0
    (path,) = (folder.parent / ".serinus" / "seen").glob(f"*/{agent}.json")
    found = json.loads(path.read_text())
    assert found["record"]["epoch"] == "2" and found["events"][-1][0] == 2
