"""`serinus serve` as a process: from its files to its last flush."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.crowd import crowd
from tests.support.processes import Served, command, configuration, serving, start, stream, until_serving
from tests.support.redis_servers import until
from tests.support.running import write

STREAMS = 20


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    standin = Standin({"good": ModelBehaviour(chunks=12, chunk_seconds=0.1)})
    await standin.start()
    yield standin
    await standin.stop()


async def test_sigterm_lets_streams_finish_and_counts_them(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Not ready from then on; every stream ends whole; every call is in the store; exit code 0."""
    folder = configuration(tmp_path, standin, agent)
    async with serving(folder, {"SERINUS_STORE": redis_url}, "ends") as served:
        watch = await asyncio.open_connection(*served.url.removeprefix("http://").split(":"))
        streams = [asyncio.create_task(stream(served, agent)) for _ in range(STREAMS)]
        await until(lambda: are_open(standin))
        ending = asyncio.create_task(served.end())
        answers = await asyncio.gather(*streams)
        assert await ending == 0
        watch[1].close()
    assert all(b" 200 " in answer and answer.rstrip().endswith(b"0") and b"[DONE]" in answer for answer in answers)
    async with serving(folder, {"SERINUS_STORE": redis_url}, "reads") as later:
        view = (await later.status()).agents[agent]
        assert view.versions["v1"].requests == STREAMS


async def are_open(standin: Standin) -> bool:
    return standin.counts("good").open == STREAMS


async def test_readiness_goes_off_at_once(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """While a stream keeps the process alive, whoever asks on an open connection is told to go elsewhere."""
    folder = configuration(tmp_path, standin, agent)
    async with serving(folder, {"SERINUS_STORE": redis_url}) as served:
        assert json.loads((await served.ask("GET", "/readyz")).body) == {"status": "ok", "store": "ok"}
        streaming = asyncio.create_task(stream(served, agent))
        await until(lambda: is_streaming(standin))
        served.process.terminate()
        assert await is_unready(served)
        assert b"[DONE]" in await streaming


async def is_streaming(standin: Standin) -> bool:
    return standin.counts("good").open == 1


async def is_unready(served: Served) -> bool:
    """Within half a second it refuses: by a 503, or by no longer taking connections."""
    async with asyncio.timeout(0.5):
        while True:
            try:
                if (await served.ask("GET", "/readyz")).status == 503:
                    return True
            except (OSError, EOFError):
                return True
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_both_signals_end_it_well(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, number: signal.Signals
) -> None:
    """Exit code 0, and the last line of the log says that it stopped."""
    async with serving(configuration(tmp_path, standin, agent), {"SERINUS_STORE": redis_url}) as served:
        served.process.send_signal(number)
        assert await served.process.wait() == 0
        assert served.log()[-1]["event"] == "stopped" and "Traceback" not in served.errors.read_text()


async def test_on_loopback_a_token_is_made_for_the_run(tmp_path: Path, agent: str, standin: Standin) -> None:
    """On standard error and nowhere else; it opens the admin plane, and a reload does not close it again."""
    folder = configuration(tmp_path, standin, agent)
    async with serving(folder, {"SERINUS_ADMIN_TOKEN": ""}) as served:
        (said,) = served.errors.read_text().splitlines()
        token = said.partition("=")[2].partition(" ")[0]
        configuration(tmp_path, standin, agent, drain="1s")
        await until(lambda: has_logged(served, "configuration"))
        reply = await served.ask("GET", f"/audit/{agent}", headers=(f"authorization: Bearer {token}",))
        assert reply.status == 200 and len(token) >= 32
        assert token not in served.out.read_text() and token.encode() not in (await served.ask("GET", "/status")).body


async def has_logged(served: Served, event: str) -> bool:
    return event in {line["event"] for line in served.log()}


async def test_with_a_token_of_ones_own_nothing_is_printed(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Neither the token nor its digest."""
    folder = configuration(tmp_path, standin, agent, admin_token_sha256="ab" * 32)
    async with serving(folder, {"SERINUS_STORE": redis_url, "SERINUS_ADMIN_TOKEN": "my-own-token"}) as served:
        assert served.errors.read_text() == ""
        assert "my-own-token" not in served.out.read_text() and "abab" not in served.out.read_text()


@pytest.mark.parametrize(
    "environ, said",
    [
        ({"SERINUS_STORE": "redis://127.0.0.1:6379/0?bogus=1"}, "has an option that redis:// does not know"),
        ({"SERINUS_STORE": "mysql://host"}, "SERINUS_STORE"),
        ({"SERINUS_LISTEN": "127.0.0.1:99999"}, "SERINUS_LISTEN"),
        ({"SERINUS_LISTEN": "0.0.0.0:0"}, "keys"),
    ],
)
async def test_a_deployment_that_cannot_be_is_wrong_usage(
    tmp_path: Path, agent: str, standin: Standin, environ: dict[str, str], said: str
) -> None:
    """Exit code 2, words and no traceback."""
    served = await start(configuration(tmp_path, standin, agent), environ)
    assert await served.process.wait() == 2
    errors = served.errors.read_text()
    assert said in errors and "Traceback" not in errors


async def test_a_taken_port_is_wrong_usage(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """Exit code 2, the address and what to do; no rollout has begun for it in the store."""
    taken = {"SERINUS_STORE": redis_url, "SERINUS_LISTEN": f"127.0.0.1:{standin.port}"}
    served = await start(configuration(tmp_path, standin, agent), taken)
    assert await served.process.wait() == 2
    (said,) = served.errors.read_text().splitlines()
    assert said.startswith(f"the address 127.0.0.1:{standin.port} is in use: end the program that listens there")
    async with Redis.from_url(redis_url) as client:
        assert await client.keys(f"serinus:*{agent}*") == []


async def test_a_data_folder_in_use_is_wrong_usage(tmp_path: Path, agent: str, standin: Standin) -> None:
    """Two gateways cannot share an embedded store: the second says so and leaves the first alone."""
    folder = configuration(tmp_path, standin, agent)
    async with serving(folder, {}, "first") as first:
        second = await start(folder, {}, "second")
        assert await second.process.wait() == 2
        assert "in use" in second.errors.read_text() and (await first.ask("GET", "/healthz")).status == 200


async def test_counts_that_cannot_be_kept_are_said(tmp_path: Path, agent: str, standin: Standin) -> None:
    """The store never came: the process still ends well and in time, and the log says whose counts are lost."""
    served = await start(configuration(tmp_path, standin, agent), {"SERINUS_STORE": "redis://127.0.0.1:1/0"})
    await until_serving(served)
    async with crowd(served.url) as people:
        await people.call(agent)
    assert await served.end() == 0
    (line,) = [line for line in served.log() if line["event"] == "counts_lost"]
    assert line["agents"] == [agent]


async def test_another_run_reads_what_the_last_one_counted(tmp_path: Path, agent: str, standin: Standin) -> None:
    """With the embedded store: same record, same sums."""
    folder = configuration(tmp_path, standin, agent)
    views: list[Any] = []
    for run in ("first", "second"):
        async with serving(folder, {}, run) as served:
            async with crowd(served.url) as people:
                if run == "first":
                    await people.call_often(agent, 10)
            await until(lambda: has_counted(served, agent))
            views.append((await served.status()).agents[agent])
            assert await served.end() == 0
    assert views[0].versions == views[1].versions and views[0].epoch == views[1].epoch


async def has_counted(served: Served, agent: str) -> bool:
    return bool((await served.status()).agents[agent].versions["v1"].requests == 10)


async def test_check_says_what_serve_would(tmp_path: Path, agent: str, standin: Standin) -> None:
    """The same folder, the same verdict."""
    folder = configuration(tmp_path, standin, agent)
    assert (await command("check", "--config", str(folder))).code == 0
    write(folder, {"routing.yaml": "agents:\n  x: {stable: v1, canary: v2}\n"})
    checked, served = await command("check", SERINUS_CONFIG=str(folder)), await start(folder, {})
    assert checked.code == await served.process.wait() == 2
    assert "routing.yaml:2" in checked.out and "routing.yaml:2" in served.errors.read_text()
