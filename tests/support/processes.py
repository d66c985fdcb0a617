"""Gateways as real processes: what only a command, a signal or a killed server can show."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.rehearsal.standin import Standin
from gateway.rollout.status_view import AgentView, StatusView
from gateway.views import read_view
from tests.support.canaries import PLANTED, WATCH
from tests.support.crowd import Reply, ask
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, trial, write

SERINUS = (sys.executable, "-m", "gateway")
_ROOT = Path(__file__).parents[2]  # the checkout need not be installed
SURROUNDINGS = {**os.environ, "PYTHONPATH": str(_ROOT), "SERINUS_ADMIN_TOKEN": ADMIN_TOKEN, **PLANTED}
ENDS_WITHIN = 20.0  # seconds; far more than a drain takes here


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    errors: str


async def command(*arguments: str, **environ: str) -> Done:
    """Run `serinus` with these arguments to its end."""
    process = await create_subprocess_exec(
        *SERINUS, *arguments, stdout=PIPE, stderr=PIPE, env={**SURROUNDINGS, **environ}
    )
    out, errors = await process.communicate()
    WATCH.search("command", out + errors)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), errors.decode())


@dataclass(slots=True)
class Served:
    """A running `serinus serve`. Its log is one JSON object a line."""

    process: Process
    out: Path
    errors: Path
    url: str = ""

    def log(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        whole = self.out.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    async def ask(self, method: str, path: str, body: bytes = b"", headers: tuple[str, ...] = ()) -> Reply:
        """One request on a connection of its own."""
        return await ask(self.url, method, path, body, headers)

    async def status(self) -> StatusView:
        """What `/status` says, as its readers see it."""
        return read_view(StatusView, json.loads((await self.ask("GET", "/status")).body))

    async def end(self) -> int:
        """SIGTERM; the exit code."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(ENDS_WITHIN):
            return await self.process.wait()

    async def kill(self) -> None:
        """kill -9."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It does nothing meanwhile (SIGSTOP), and knows nothing of it."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def serving(
    folder: Path, environ: Mapping[str, str], name: str = "gateway", inside: Sequence[str] = ()
) -> AsyncIterator[Served]:
    """`serinus serve` with that configuration, on a free port; its logs lie beside the configuration. `inside` is a
    command that runs it, such as a sandbox."""
    served = await start(folder, environ, name, inside)
    try:
        await until_serving(served)
        yield served
    finally:
        await served.kill()


async def start(folder: Path, environ: Mapping[str, str], name: str = "gateway", inside: Sequence[str] = ()) -> Served:
    """The process, which may not be listening yet."""
    out, errors = folder.parent / f"{name}.log", folder.parent / f"{name}.err"
    surroundings = {**SURROUNDINGS, "SERINUS_LISTEN": "127.0.0.1:0", "SERINUS_CONFIG": str(folder), **environ}
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        process = await create_subprocess_exec(
            *inside, *SERINUS, "serve", stdout=stdout, stderr=stderr, env=surroundings, cwd=folder.parent
        )
    return Served(process, out, errors)


async def until_serving(served: Served) -> None:
    """Wait until it listens, and learn where."""

    async def is_serving() -> bool:
        assert served.process.returncode is None, served.errors.read_text()
        listens = [line["listen"] for line in served.log() if line["event"] == "serving"]
        served.url = f"http://{listens[-1]}" if listens else ""
        return bool(listens)

    await until(is_serving)


def booked(view: AgentView) -> int:
    return sum(version.requests for version in view.versions.values())


async def until_booked(served: Served, agent: str, calls: int) -> None:
    """Wait until the status counts all these calls; they must never become more."""

    async def all_there() -> bool:
        view = (await served.status()).agents[agent]
        return booked(view) >= calls

    await until(all_there)
    await asyncio.sleep(0.5)
    assert booked((await served.status()).agents[agent]) == calls


def configuration(folder: Path, standin: Standin, agent: str, **gateway: object) -> Path:
    """One agent without a canary."""
    files = trial(agent, standin) | {"routing.yaml": {"agents": {agent: {"stable": "v1"}}}}
    provider = {"api": "openai", "base_url": standin.base_url}
    files["gateway.yaml"] = {"providers": {"standin": provider}, **gateway}
    return write(folder / "config", files)


async def stream(served: Served, agent: str) -> bytes:
    """The whole of a streamed answer, to the end of its connection."""
    reader, writer = await asyncio.open_connection(*served.url.removeprefix("http://").split(":"))
    body = {"model": agent, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    text = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head += f"content-length: {len(text)}\r\n\r\n"
    writer.write(head.encode() + text)
    answer = await reader.read()
    WATCH.search("stream", answer)
    writer.close()
    return answer
