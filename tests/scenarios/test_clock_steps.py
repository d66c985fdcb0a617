"""A replica whose clock of the day is set by an hour, to and fro, in a trial and in the middle of a limit's window."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.crowd import crowd
from tests.support.processes import SURROUNDINGS, Served, serving
from tests.support.restarts import Trial, a_trial
from tests.support.running import write

HOUR = 3600
LOOKS = 3.0  # seconds in which every replica looks at a trial twice
MOST = 40  # calls in the window of the limit

# Takes the place of the clock in the process: Python imports a module of that name before all others.
_SITECUSTOMIZE = """
import os, time
_real, _path = time.time, os.environ["CLOCK_STEP_FILE"]
def _stepped():
    with open(_path) as file:
        return _real() + float(file.read())
time.time = _stepped
"""


class SetClock:
    """The clock of the day of one process, which may be set. Its clock of durations goes on."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "step"
        write(folder, {"sitecustomize.py": _SITECUSTOMIZE, "step": "0"})
        path = f"{folder}:{SURROUNDINGS['PYTHONPATH']}"
        self.environ = {"PYTHONPATH": path, "CLOCK_STEP_FILE": str(self._file)}

    def set_by(self, seconds: int) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(str(seconds))
        part.replace(self._file)


def decisions(served: Served) -> list[str]:
    return [line["action"] for line in served.log() if line["event"] == "decision"]


async def know(trial: Trial, replicas: tuple[Served, ...]) -> list[Any]:
    """What each of them says of the trial, without the evidence, which grows with every call."""
    return [{**await trial.said(served), "e_value": None} for served in replicas]


async def test_a_replicas_clock_that_is_set_decides_nothing(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Epoch, share and times of the record stay what they are at both replicas; calls are served and counted."""
    clock, environ = SetClock(tmp_path / "clock"), {"SERINUS_STORE": redis_url}
    async with (
        a_trial(tmp_path, agent) as trial,
        serving(trial.folder, {**environ, **clock.environ}, "set") as one,
        serving(trial.folder, environ, "other") as other,
    ):
        await trial.proceed((one, other))
        before, told = await know(trial, (one, other)), decisions(one) + decisions(other)
        for seconds in (HOUR, -HOUR):
            clock.set_by(seconds)
            async with crowd(one.url, other.url, saying=f"at {seconds}: {{}}".format) as people:
                assert {reply.status for reply in await people.call_often(agent, 20)} == {200}
            await asyncio.sleep(LOOKS)
            assert await know(trial, (one, other)) == before
        assert decisions(one) + decisions(other) == told
        assert (await other.status()).gateway.store.ok


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_a_replicas_clock_frees_nothing_of_a_limit(
    tmp_path: Path, redis_url: str, agent: str, seconds: int
) -> None:
    """An hour's window that is used up stays so: whether a replica believes that it is over or not begun."""
    clock, environ = SetClock(tmp_path / "clock"), {"SERINUS_STORE": redis_url}
    async with a_trial(tmp_path, agent) as trial:
        limits = {"requests": f"{MOST}/1h"}
        routing = {"stable": "v1", "limits": limits}
        write(trial.folder, {"routing.yaml": {"agents": {agent: routing}}})
        async with (
            serving(trial.folder, {**environ, **clock.environ}, "set") as one,
            serving(trial.folder, environ, "other") as other,
            crowd(one.url, other.url) as people,
        ):
            answered = Counter(reply.status for reply in await people.call_often(agent, MOST // 2))
            clock.set_by(seconds)
            answered += Counter(reply.status for reply in await people.call_often(agent, 2 * MOST))
            assert set(answered) == {200, 429} and MOST // 2 <= answered[200] <= MOST
