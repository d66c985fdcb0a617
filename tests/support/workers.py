"""A gateway of several workers, and callers who note what breaks."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.crowd import Line
from tests.support.processes import ENDS_WITHIN, Served, start, until_serving
from tests.support.redis_servers import until
from tests.support.waiting import within

WORKERS = 2
START_SECONDS = 60.0  # for several interpreters on a busy machine


@asynccontextmanager
async def fleet(folder: Path, environ: Mapping[str, str], name: str = "fleet") -> AsyncIterator[Served]:
    """`serinus serve` with two workers, both ready."""
    served = await start(folder, {"SERINUS_WORKERS": str(WORKERS), **environ}, name)
    try:
        await until_serving(served)
        await until_ready(served, WORKERS)
        yield served
    finally:
        with suppress(ProcessLookupError, TimeoutError):
            await served.end()  # not a kill, which would leave the workers to themselves
        if served.process.returncode is None:
            served.process.kill()
        await served.process.wait()


def ready(served: Served) -> list[int]:
    """The process ids of all workers that ever became ready, in that order."""
    return [line["pid"] for line in served.log() if line["event"] == "worker_ready"]


async def until_ready(served: Served, count: int) -> None:
    """Wait until so many workers have become ready since the start."""

    def are_ready() -> bool:
        assert served.process.returncode is None, served.errors.read_text()
        return len(ready(served)) >= count

    await within(START_SECONDS, are_ready)


async def until_logged(served: Served, event: str) -> None:
    """Wait until a line of its log says that."""
    await within(START_SECONDS, lambda: event in {line["event"] for line in served.log()})


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def redis_of(served: Served) -> int:
    """The process id of the parent's private Redis."""
    (pid,) = [pid for pid in children(served) if "valkey" in Path(f"/proc/{pid}/comm").read_text()]
    return pid


def children(served: Served) -> list[int]:
    parent = served.process.pid
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


async def until_gone(pids: list[int]) -> None:
    """Wait until none of these processes runs."""
    await within(ENDS_WITHIN, lambda: not any(is_alive(pid) for pid in pids))


class Callers:
    """Keep-alive connections that call until they are told to end. `broken` are calls without an answer."""

    def __init__(self, url: str, agent: str, count: int = 8) -> None:
        self.statuses = Counter[int]()
        self.broken = 0
        self.by_line = Counter[int]()
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._call(url, agent, number)) for number in range(count)]

    @property
    def answered(self) -> int:
        return self.statuses.total()

    async def more(self, calls: int) -> None:
        """Wait until so many more calls were answered."""
        wanted = self.answered + calls

        async def are_answered() -> bool:
            return self.answered >= wanted

        await until(are_answered)

    async def end(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _call(self, url: str, agent: str, number: int) -> None:
        line = Line(url)
        while not self._over.is_set():
            try:
                reply = await line.chat(agent, f"question {number}")
            except (OSError, EOFError):
                self.broken += 1
                line.close()
                line = Line(url)
                continue
            self.statuses[reply.status] += 1
            self.by_line[number] += 1
            if reply.headers.get("connection") == "close":
                line.close()
                line = Line(url)
            await asyncio.sleep(0.005)
        line.close()


def connections(pid: int, url: str) -> int:
    """How many connections that a client opened to this URL the process has."""
    port = int(url.rpartition(":")[2])
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}
    return sum(_socket(pid, entry) in established for entry in os.listdir(f"/proc/{pid}/fd"))


def _socket(pid: int, descriptor: str) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/{descriptor}").removeprefix("socket:[").removesuffix("]")
    return ""
