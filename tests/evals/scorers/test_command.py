"""`serinus eval` with commands of a suite: what is checked before, and what is left after a signal."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.evaluations import PRICES
from tests.support.processes import SERINUS, SURROUNDINGS, command
from tests.support.running import trial, write
from tests.support.waiting import SOON, within

pytestmark = [pytest.mark.socket, pytest.mark.process]
SLEEPER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open("pids.part", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.part", "pids")
time.sleep(300)
"""
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
EVALUATOR = {"run": [sys.executable, "play.py"]}
USES = {
    "tool_results": {
        "cases": [{"ask": "call look", "tool_results": {"run": [sys.executable, "play.py"]}, "expect": ["not-empty"]}]
    },
    "evaluator": {"evaluators": {"mine": EVALUATOR}, "cases": [{"ask": "Hi", "expect": [{"external": "mine"}]}]},
    "python": {"cases": [{"ask": "Hi", "expect": [{"python": "file://play.py:check"}]}]},
}


@asynccontextmanager
async def configured(folder: Path) -> AsyncIterator[Standin]:
    """A folder with a configuration, whose version offers a tool."""
    standin = Standin({"good": ModelBehaviour(chunk_text="shipped ")})
    await standin.start()
    files = trial("support", standin)
    files["gateway.yaml"] = {**files["gateway.yaml"], "prices": PRICES}  # type: ignore[dict-item]
    files["agents/support/v1.yaml"] = {"model": "standin/good", "tools": [TOOL]}
    write(folder / "config", files)
    try:
        yield standin
    finally:
        await standin.stop()


def arguments(folder: Path, suite: object, *more: str) -> list[str]:
    (folder / "suite.yaml").write_text(json.dumps(suite))
    config = str(folder / "config")
    return [
        *("eval", "support@v1", "--config", config, "--suite", str(folder / "suite.yaml"), "--against", "-"),
        *("--no-cache", *more),
    ]


async def start(folder: Path, suite: object) -> Process:
    surroundings = {**SURROUNDINGS, "COVERAGE_PROCESS_CONFIG": ""}
    return await create_subprocess_exec(
        *SERINUS, *arguments(folder, suite), stdout=PIPE, stderr=PIPE, env=surroundings, cwd=folder
    )


@pytest.mark.parametrize(
    ("use", "number"),
    [
        ("tool_results", signal.SIGTERM),
        ("tool_results", signal.SIGINT),
        ("evaluator", signal.SIGTERM),
        ("evaluator", signal.SIGHUP),
        ("python", signal.SIGTERM),
    ],
)
async def test_no_command_outlives_a_signal(use: str, number: signal.Signals, tmp_path: Path) -> None:
    """Neither the command of a suite, nor what it has started; the exit code is the shells'."""
    (tmp_path / "play.py").write_text(SLEEPER)
    async with configured(tmp_path):
        process = await start(tmp_path, USES[use])
        async with asyncio.timeout(SOON * 3):
            while not (tmp_path / "pids").exists():
                assert process.returncode is None, (await process.communicate())[1].decode()
                await asyncio.sleep(0.02)
        process.send_signal(number)
        _, errors = await process.communicate()
    assert process.returncode == 128 + number, errors.decode()
    for pid in (tmp_path / "pids").read_text().split():
        await within(SOON, lambda pid=pid: not is_running(pid))  # type: ignore[misc]


def is_running(pid: str) -> bool:
    """Whether the process is there, and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_an_evaluator_scores_a_suite(tmp_path: Path) -> None:
    """With its digest in the record; a second run scores nothing anew."""
    (tmp_path / "play.py").write_text(
        "import json, sys\nfor line in sys.stdin:\n    item = json.loads(line)\n    open('log', 'a').write('.')\n"
        "    print(json.dumps({'id': item['id'], 'score': float('shipped' in item['output'])}), flush=True)\n"
    )
    suite = {
        "evaluators": {"mine": EVALUATOR},
        "cases": [{"ask": "Hi", "expect": [{"external": "mine/mood", "threshold": 0.5}]}],
    }
    async with configured(tmp_path):
        cache = ["--cache", str(tmp_path / "kept")]
        given = [each for each in arguments(tmp_path, suite, "--record", *cache) if each != "--no-cache"]
        first, second = await command(*given), await command(*given)
    assert (first.code, second.code) == (0, 0), first.errors
    record = json.loads((tmp_path / "config/agents/support/v1.eval.json").read_text())
    assert [each.split(" sha256:")[0] for each in record["evaluators"]] == ["mine"]
    assert (tmp_path / "log").read_text() == "."
