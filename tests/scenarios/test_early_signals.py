"""SIGTERM while a command is still starting: it ends soon and in good order, also as process 1 of a container.

The kernel discards a signal for which process 1 has no handler. Here the same is had without a container: the process
inherits that SIGTERM is ignored.
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.listening import listening
from tests.support.processes import SURROUNDINGS
from tests.support.redis_servers import free_port
from tests.support.running import provider, trial, write

ENDS_WITHIN = 20.0  # seconds; it takes one or two, but for a busy machine
# Seconds of the process's own CPU time when it is told to end, so that a busy machine changes nothing: the interpreter
# needs some 0.02 to begin, all the imports some 0.5.
MOMENTS = (0.1, 0.3, 0.6)
NO_LONGER_BUSY_SECONDS = 2.5  # after which a process is taken to have started
TICKS_A_SECOND = 100
AS_PROCESS_1 = ("sh", "-c", 'trap "" TERM; exec "$0" "$@"')
SERINUS = (sys.executable, "-m", "gateway")
# A child that measures its coverage loads that first, for longer than the first moment, and takes SIGTERM meanwhile.
UNMEASURED = {name: value for name, value in SURROUNDINGS.items() if not name.startswith("COVERAGE_")}


async def ended(moment: float, command: tuple[str, ...], environ: Mapping[str, str], folder: Path) -> int:
    """The exit code of a command that is told to end at that moment."""
    errors = folder / f"{command[0]}.err"
    with errors.open("wb") as stderr:
        process = await create_subprocess_exec(
            *AS_PROCESS_1, *SERINUS, *command, stdin=DEVNULL, stdout=DEVNULL, stderr=stderr, cwd=folder,
            env={**UNMEASURED, **environ},
        )  # fmt: skip
    try:
        await _until(process, moment)
        process.terminate()
        async with asyncio.timeout(ENDS_WITHIN):
            code = await process.wait()
        assert "Traceback" not in errors.read_text()
        return code
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until(process: Process, moment: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(NO_LONGER_BUSY_SECONDS):
            while _cpu_seconds(process.pid) < moment:  # noqa: ASYNC110 - nothing tells of another process's time
                await asyncio.sleep(0.002)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


async def codes(command: tuple[str, ...], environ: Mapping[str, str], folder: Path) -> set[int]:
    """The exit codes at all moments, two processes at a time."""
    places = asyncio.Semaphore(2)

    async def one(number: int, moment: float) -> int:
        own = folder / str(number)
        own.mkdir()
        async with places:
            return await ended(moment, command, environ, own)

    return set(await asyncio.gather(*(one(number, moment) for number, moment in enumerate(MOMENTS))))


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """The port of a store that takes connections and never answers."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(say_nothing) as port:
        yield port


@pytest.fixture
async def config(tmp_path: Path, agent: str) -> AsyncIterator[Path]:
    async with provider() as standin:
        yield write(tmp_path / "config", trial(agent, standin))


@pytest.mark.parametrize(("store", "workers"), [("embedded", "1"), ("embedded", "2"), ("away", "2"), ("silent", "1")])
async def test_serve_ends_at_any_moment_of_its_start(tmp_path: Path, config: Path, store: str, workers: str) -> None:
    """Exit code 0 whether the store is there or not, alone and with workers."""
    async with silent() as port:
        stores = {
            "embedded": "embedded",
            "away": f"redis://127.0.0.1:{free_port()}",
            "silent": f"redis://127.0.0.1:{port}",
        }
        environ = {"SERINUS_CONFIG": str(config), "SERINUS_LISTEN": "127.0.0.1:0", "SERINUS_STORE": stores[store]}
        assert await codes(("serve", "--workers", workers), environ, tmp_path) == {0}


async def test_the_stand_in_ends_at_any_moment_of_its_start(tmp_path: Path) -> None:
    """Exit code 0."""
    assert await codes(("standin", "--listen", "127.0.0.1:0"), {}, tmp_path) == {0}


async def test_the_demo_ends_at_any_moment_of_its_start(tmp_path: Path) -> None:
    """Exit code 1: what it promises was not seen."""
    assert await codes(("demo",), {}, tmp_path) == {1}


async def test_a_hangup_before_there_is_anything_to_reload_ends_nothing(tmp_path: Path, config: Path) -> None:
    """A reloader that is quicker than the gateway."""
    environ = {"SERINUS_CONFIG": str(config), "SERINUS_LISTEN": "127.0.0.1:0"}
    process = await create_subprocess_exec(
        *SERINUS, "serve", stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, cwd=tmp_path,
        env={**UNMEASURED, **environ},
    )  # fmt: skip
    await _until(process, MOMENTS[0])
    for _ in range(20):
        process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.1)
    assert process.returncode is None
    process.terminate()
    assert await process.wait() == 0
