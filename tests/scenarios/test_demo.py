"""The whole story as a person sees it: `serinus demo --exit`, with nothing set up beforehand."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = (sys.executable, "-m", "gateway", "demo")


async def start(tmp_path: Path, *arguments: str) -> Process:
    """The demo with its temporary files below `tmp_path` and a gateway of the user's in the environment."""
    environ = {**os.environ, "TMPDIR": str(tmp_path), "SERINUS_STORE": "redis://127.0.0.1:1/0"}
    return await asyncio.create_subprocess_exec(*COMMAND, *arguments, cwd=ROOT, env=environ, stdout=PIPE, stderr=STDOUT)


def traces(folder: Path) -> list[str]:
    """What is in the folder, and (where there is a /proc) every process that works in it."""
    links = [str(link) for link in Path("/proc").glob("[0-9]*/cwd")]
    working = [link for link in links if os.path.realpath(link).startswith(str(folder))]
    return [*map(str, folder.iterdir()), *working]


@pytest.mark.timeout(180)
async def test_the_demo_sees_all_that_it_promises(tmp_path: Path) -> None:
    """A canary that breaks is rolled back, a worse one is refused, no client sees an error, nothing is left behind."""
    demo = await start(tmp_path, "--exit")
    out = (await demo.communicate())[0].decode()
    assert demo.returncode == 0, out
    assert "All 12 promises were kept." in out
    assert out.count("✔") == 12
    assert re.search(r"ROLLED BACK by the controller: error_rate <= stable \* 1\.25 is breached", out)
    assert "REFUSED at 0 %: v3 has not passed its evaluation: Failed: worse than stable on 8 cases" in out
    assert re.search(r"no client saw an error +0 of [\d,]+ calls", out)
    assert re.search(
        r"watch it in a browser: http://127\.0\.0\.1:\d+/status/customer-support\n", out.split("v1 serves")[0]
    )
    assert "E is the evidence against v2" in out
    assert traces(tmp_path) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_demo_and_all_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    """Amid the story: not everything was seen, so the answer is no; and nothing is left behind."""
    demo = await start(tmp_path)
    assert demo.stdout is not None
    while b"serves everything" not in await demo.stdout.readline():
        assert demo.returncode is None
    assert traces(tmp_path) != []
    demo.send_signal(number)
    assert b"All that the demo started has ended." in (await demo.communicate())[0]
    assert demo.returncode == 1
    assert traces(tmp_path) == []
