"""Metrics of real workers: each scrape has the calls of all, before, during and after the end of one."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as read_plain

from gateway.rehearsal.standin import Standin
from tests.support.processes import Served, configuration
from tests.support.running import provider
from tests.support.workers import Callers, fleet, ready, until_ready


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider() as made:
        yield made


async def calls(served: Served) -> float:
    """The answered calls by a scrape at whichever worker."""
    text = (await served.ask("GET", "/metrics")).body.decode()
    found = [each for family in read_plain(text) for each in family.samples if each.name == "serinus_calls_total"]
    return sum(sample.value for sample in found)


async def test_no_sum_falls_when_a_worker_is_killed(tmp_path: Path, agent: str, standin: Standin) -> None:
    """A scrape at any of them says the same; a killed one's calls stay, its successor's are added."""
    async with fleet(configuration(tmp_path, standin, agent), {}) as served:
        callers = Callers(served.url, agent)
        await callers.more(100)
        await callers.end()
        answered = callers.answered
        assert [await calls(served) for _ in range(4)] == [answered] * 4
        os.kill(ready(served)[0], signal.SIGKILL)
        await until_ready(served, 3)
        assert await calls(served) == answered
        callers = Callers(served.url, agent)
        await callers.more(50)
        await callers.end()
        assert [await calls(served) for _ in range(3)] == [answered + callers.answered] * 3


async def test_a_rolling_restart_loses_no_call(tmp_path: Path, agent: str, standin: Standin) -> None:
    """Workers that are replaced under way report what they counted to the last."""
    async with fleet(configuration(tmp_path, standin, agent), {}) as served:
        callers = Callers(served.url, agent)
        await callers.more(50)
        served.process.send_signal(signal.SIGHUP)
        await until_ready(served, 4)
        await callers.more(50)
        await callers.end()
        assert callers.broken == 0
        seen = [await calls(served) for _ in range(20)]
        assert seen == sorted(seen) and seen[-1] <= callers.answered
