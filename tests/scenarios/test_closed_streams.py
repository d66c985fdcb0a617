"""Commands whose standard streams are closed, or whose output nobody can take."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, create_subprocess_exec
from pathlib import Path

import pytest

from gateway.rehearsal.standin import Standin
from tests.support.processes import SURROUNDINGS, configuration

COMMANDS = (
    "diff {agent} v1 v2",
    "check {folder}",
    "status",
    "judge",
    "judge calibrate none.jsonl",
    "import prompt none",
)


async def run(folder: Path, command: str, streams: str) -> tuple[int | None, str]:
    """The exit code of a command with these redirections of a shell, and what it said on standard error."""
    shell = f'exec "$0" -m gateway {command} {streams}'
    environ = {**SURROUNDINGS, "SERINUS_CONFIG": str(folder), "SERINUS_URL": "http://127.0.0.1:9"}
    process = await create_subprocess_exec(
        "sh", "-c", shell, sys.executable, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, cwd=folder, env=environ
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


@pytest.mark.parametrize("command", COMMANDS)
async def test_closed_streams_change_no_exit_code(tmp_path: Path, agent: str, command: str) -> None:
    """Neither output nor input is needed; nothing is a traceback."""
    folder = configuration(tmp_path, _not_listening(), agent)
    words = command.format(agent=agent, folder=folder)
    streams = ("", ">&-", "<&-", "<&- >&-")
    done = await asyncio.gather(*(run(folder, words, each) for each in streams))
    assert len({code for code, _ in done}) == 1 and not any("Traceback" in errors for _, errors in done)


async def test_a_full_disk_is_said(tmp_path: Path, agent: str) -> None:
    """Exit code 1 and a sentence."""
    folder = configuration(tmp_path, _not_listening(), agent)
    code, errors = await run(folder, f"diff {agent} v1 v2", "> /dev/full")
    assert (code, errors) == (1, "the output could not be written: No space left on device\n")


def _not_listening() -> Standin:
    """A provider that no command of these asks."""
    standin = Standin({})
    standin._host, standin.port = "127.0.0.1", 9
    return standin
