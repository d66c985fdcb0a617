"""Several workers on one port: calls and books are shared, and no worker's end is felt on another."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.calling import SOON
from tests.support.crowd import Line
from tests.support.processes import Served, configuration, start, stream
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, write
from tests.support.waiting import within
from tests.support.workers import (
    Callers,
    children,
    connections,
    fleet,
    is_alive,
    ready,
    redis_of,
    until_gone,
    until_logged,
    until_ready,
)

STREAMS = 20


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider(good=ModelBehaviour(chunks=12, chunk_seconds=0.1)) as made:
        yield made


async def until_booked(served: Served, agent: str, calls: int) -> None:
    """Wait until the status counts these calls, and no more."""

    async def are_booked() -> bool:
        return bool((await served.status()).agents[agent].versions["v1"].requests == calls)

    await until(are_booked)


def call_lines(served: Served) -> list[Any]:
    """The lines of calls in the log so far."""
    return [line for line in served.log() if line["event"] == "call"]


async def test_both_workers_serve_and_their_books_are_one(tmp_path: Path, agent: str, standin: Standin) -> None:
    """Sixteen connections are shared out; calls sent equal calls booked; each worker is a replica of its own."""
    async with fleet(configuration(tmp_path, standin, agent), {}) as served:
        callers = Callers(served.url, agent, 16)
        await callers.more(200)
        shares = [connections(pid, served.url) for pid in ready(served)]
        await callers.end()
        assert callers.broken == 0 and set(callers.statuses) == {200}
        assert sum(shares) >= 16 and min(shares) >= 3
        await until_booked(served, agent, callers.answered)
        await within(SOON, lambda: len(call_lines(served)) >= callers.answered)  # lines come some 50 ms late
        calls = call_lines(served)
        assert len(calls) == callers.answered and len({line["replica"] for line in calls}) == 2


async def test_whichever_worker_is_asked_acts_for_all(tmp_path: Path, redis_url: str, agent: str) -> None:
    """A verb at one is on the record of the other; both say the same of the agent, each under its own name."""
    async with provider() as standin:
        files = configuration(tmp_path, standin, agent)
        write(files, {"routing.yaml": {"agents": {agent: {"stable": "v1", "canary": "v2", "weight": "50%"}}}})
        async with fleet(files, {"SERINUS_STORE": redis_url}) as served:
            token = (f"authorization: Bearer {ADMIN_TOKEN}", 'if-match: "1"')
            order = b'{"actor": "me", "reason": "because"}'
            assert (await served.ask("POST", f"/admin/agents/{agent}/abort", order, token)).status == 200
            seen = dict[str, str]()

            async def both_say_so() -> bool:
                """Of two connections that are open at the same time each worker has one."""
                lines = [Line(served.url), Line(served.url)]
                for line in lines:
                    status = json.loads((await line.ask("GET", "/status")).body)
                    seen[status["gateway"]["replica"]] = status["agents"][agent]["phase"]
                for line in lines:
                    line.close()
                return len(seen) == 2 and len(set(seen.values())) == 1

            await until(both_say_so)
        assert set(seen.values()) == {"rolled_back"}


async def test_sigterm_breaks_no_stream_on_any_worker(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Every stream ends whole and is booked, the port refuses meanwhile, and the parent ends last with code 0."""
    folder = configuration(tmp_path, standin, agent)
    async with fleet(folder, {"SERINUS_STORE": redis_url}) as served:
        workers = ready(served)
        streams = [asyncio.create_task(stream(served, agent)) for _ in range(STREAMS)]
        await until(lambda: are_open(standin))
        ending = asyncio.create_task(served.end())
        assert await refuses(served)
        answers = await asyncio.gather(*streams)
        assert await ending == 0
        assert not any(is_alive(pid) for pid in workers) and served.log()[-1]["event"] == "stopped"
    assert all(b" 200 " in answer and b"[DONE]" in answer and answer.rstrip().endswith(b"0") for answer in answers)
    async with fleet(folder, {"SERINUS_STORE": redis_url}, "later") as later:
        await until_booked(later, agent, STREAMS)


async def are_open(standin: Standin) -> bool:
    return standin.counts("good").open == STREAMS


async def refuses(served: Served) -> bool:
    """Within two seconds nobody takes new connections: none is left waiting for workers that drain."""
    async with asyncio.timeout(2):
        while True:
            try:
                await served.ask("GET", "/readyz")
            except (OSError, EOFError):
                return True
            await asyncio.sleep(0.01)


async def test_sighup_under_load_renews_every_worker_and_fails_no_call(
    tmp_path: Path, agent: str, standin: Standin
) -> None:
    """One after the other: no call is without its answer, the private Redis stays, every replica is a new one."""
    async with fleet(configuration(tmp_path, standin, agent), {}) as served:
        before, redis, callers = ready(served), redis_of(served), Callers(served.url, agent)
        await callers.more(100)
        served.process.send_signal(signal.SIGHUP)
        await until_logged(served, "restarted")
        await callers.more(100)
        await callers.end()
        assert callers.broken == 0 and set(callers.statuses) == {200}
        assert set(children(served)) == {redis, *ready(served)[2:]} and len(ready(served)) == 4
        assert not any(is_alive(pid) for pid in before)
        await until_booked(served, agent, callers.answered)


async def test_sighup_with_a_broken_configuration_changes_nothing(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """The log says where; the workers that serve go on."""
    folder = configuration(tmp_path, standin, agent)
    async with fleet(folder, {"SERINUS_STORE": redis_url}) as served:
        write(folder, {"routing.yaml": "agents:\n  x: {stable: v1, canary: v2}\n"})
        await until_logged(served, "configuration_refused")
        served.process.send_signal(signal.SIGHUP)
        await within(20, lambda: parent_refused(served))
        assert all(is_alive(pid) for pid in ready(served)) and "restarting" not in served.out.read_text()


def parent_refused(served: Served) -> bool:
    return any("replica" not in line for line in served.log() if line["event"] == "configuration_refused")


async def test_a_killed_worker_is_replaced_and_costs_its_own_calls_at_most(
    tmp_path: Path, agent: str, standin: Standin
) -> None:
    """kill -9 under load: at most its connections' open calls break, everybody else is answered; Redis stays."""
    async with fleet(configuration(tmp_path, standin, agent), {}) as served:
        (first, other), redis = ready(served), redis_of(served)
        callers = Callers(served.url, agent)
        await callers.more(100)
        os.kill(first, signal.SIGKILL)
        await callers.more(50)
        await until_ready(served, 3)
        await callers.more(50)
        await callers.end()
        assert callers.broken <= 8 and set(callers.statuses) == {200} and all(callers.by_line.values())
        assert is_alive(other) and set(children(served)) == {other, ready(served)[2], redis}
        (line,) = [line for line in served.log() if line["event"] == "worker_ended"]
        assert (line["pid"], line["exit_code"]) == (first, -signal.SIGKILL)


async def test_without_its_parent_no_worker_stays(tmp_path: Path, agent: str, standin: Standin) -> None:
    """kill -9 of the parent: open streams are finished, then nothing of it is left, and the next start goes well."""
    folder = configuration(tmp_path, standin, agent)
    async with fleet(folder, {}) as served:
        left = children(served)
        streams = [asyncio.create_task(stream(served, agent)) for _ in range(STREAMS)]
        await until(lambda: are_open(standin))
        served.process.kill()
        answers = await asyncio.gather(*streams)
        await until_gone(left)
        assert len(left) == 3 and all(b"[DONE]" in answer for answer in answers)
    async with fleet(folder, {}, "next") as later:
        assert (await later.ask("GET", "/readyz")).status == 200


async def test_a_broken_configuration_is_said_once(tmp_path: Path, agent: str, standin: Standin) -> None:
    """Exit code 2, file and line once, whatever the number of workers; nothing is started."""
    folder = write(configuration(tmp_path, standin, agent), {"routing.yaml": "agents:\n  x: {stable: v1}\n"})
    served = await start(folder, {"SERINUS_WORKERS": "4"})
    assert await served.process.wait() == 2
    assert served.errors.read_text().count("routing.yaml:2") == 1 and served.out.read_text() == ""


async def test_a_taken_port_is_said_once(tmp_path: Path, agent: str, standin: Standin) -> None:
    """Exit code 2, one line that names the address."""
    taken = {"SERINUS_WORKERS": "2", "SERINUS_LISTEN": f"127.0.0.1:{standin.port}"}
    served = await start(configuration(tmp_path, standin, agent), taken)
    assert await served.process.wait() == 2
    (line,) = served.errors.read_text().splitlines()
    assert str(standin.port) in line


@pytest.mark.parametrize("count", ["0", "-1", "two", "1000"])
async def test_an_odd_number_of_workers_is_wrong_usage(tmp_path: Path, count: str) -> None:
    """Exit code 2, and what would be right."""
    served = await start(tmp_path / "config", {"SERINUS_WORKERS": count})
    assert await served.process.wait() == 2
    assert "is not a number from 1 to 256" in served.errors.read_text()
