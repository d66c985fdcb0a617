"""The processes of the demo: started on free ports, waited for, and ended by their pids whatever happens."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import gateway
from gateway.rehearsal.demo.ask import NoAnswer, ask

READY_SECONDS = 30.0  # importing everything on a busy machine takes some of them
_POLL_SECONDS = 0.1
_END_SECONDS = 5.0
_TAIL_LINES = 15
_TAIL_COLUMNS = 400  # of each: a traceback in a JSON log is one line
_WELL = ('"event":"call"', '"failed":false')
_LOOPBACK = "127.0.0.1"


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process, its address, and the file of its output."""

    name: str
    process: Process
    root_url: str
    log: Path

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def tail(self) -> str:
        """The last lines that it wrote, without those of calls that went well."""
        written = self.log.read_text("utf-8", "replace").splitlines()
        lines = [line for line in written if not all(part in line for part in _WELL)][-_TAIL_LINES:]
        shown = [line if len(line) <= _TAIL_COLUMNS else f"{line[:_TAIL_COLUMNS]}…" for line in lines]
        return "\n".join([f"-- {self.name} (pid {self.process.pid}), its last lines:", *shown])


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """Command of a child: arguments after `python -m`, the readiness path, and additions to the environment."""

    name: str
    arguments: Sequence[str]
    ready: str
    environ: Mapping[str, str]


def free_ports(count: int) -> list[int]:
    """Return that many loopback ports that nobody listens on. They are free again, so start what needs them at once."""
    with_sockets = [socket.create_server((_LOOPBACK, 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in with_sockets]
    for each in with_sockets:
        each.close()
    return ports


def listen(port: int) -> str:
    """`host:port` of a loopback port."""
    return f"{_LOOPBACK}:{port}"


@asynccontextmanager
async def running(command: ChildCommand, address: str, folder: Path) -> AsyncIterator[Child]:
    """The command, ready for calls on `address`; ended afterwards. Raises DemoFailed when it does not get ready."""
    child = await _start(command, address, folder)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_end, child.process)
        await _until_ready(child, command.ready)
        yield child


async def run_to_end(name: str, arguments: Sequence[str], folder: Path, seconds: float) -> tuple[int, bytes]:
    """Run a command of ours to its end; its exit code and what it printed. Raises DemoFailed when it takes longer."""
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments, stdin=DEVNULL, stdout=PIPE, stderr=log,
            cwd=folder, env=environment(os.environ, {}), start_new_session=True,
        )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise DemoFailed(f"serinus {' '.join(arguments)} did not end within {seconds:g} s") from None
    finally:
        await _end(process)
    return process.returncode or 0, printed


async def _start(command: ChildCommand, address: str, folder: Path) -> Child:
    """Start a child in a session of its own, so that Ctrl-C reaches the demo alone, which ends everything in order."""
    path = folder / f"{command.name}.log"
    with path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command.arguments, stdin=DEVNULL, stdout=log, stderr=log,
            cwd=folder, env=environment(os.environ, command.environ), start_new_session=True,
        )  # fmt: skip
    return Child(command.name, process, f"http://{address}", path)


def environment(inherited: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Ours without the user's own SERINUS_ settings and a CI job's. The code comes from where this one does."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(("SERINUS_", "GITHUB_"))}
    root = str(Path(gateway.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [root, inherited.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, **added}


async def _until_ready(child: Child, path: str) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                if await _is_ready(child, path):
                    return
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise DemoFailed(f"{child.name} was not ready within {READY_SECONDS:g} s\n{child.tail()}") from None


async def _is_ready(child: Child, path: str) -> bool:
    if not child.is_alive:
        raise DemoFailed(f"{child.name} gave up with exit code {child.process.returncode}\n{child.tail()}")
    try:
        await ask("GET", child.root_url + path)
    except NoAnswer:
        return False
    return True


async def _end(process: Process) -> None:
    for tell in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        tell()
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            continue
