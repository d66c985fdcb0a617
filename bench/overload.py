"""How a gateway behaves that is asked for more than it can do.

    python -m bench.overload [--seconds 60] [--write]

A stand-in provider answers after 200 ms. First the *peak*: calls served in a second, of 400 clients that each wait for
their answer, with nothing shed. Then twice as many are sent by the clock, whoever answers or not, while a prober asks
for health, status, metrics and the audit ten times a second. Last, four callers send a tenth of the peak together,
alone and beside a fifth one whose 500 clients ask again at once whatever they are told. Load, provider and prober are
processes of their own on the same cores. `--write` puts the table into docs/reliability.md; each run adds its figures
to bench/results/overload.jsonl.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import signal
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import create_subprocess_exec
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop

from bench.quoting import quote

WRAP = (sys.executable, "-m")
ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "overload.jsonl"
DOCUMENT = ROOT / "docs" / "reliability.md"
COMMAND = "python -m bench.overload --write"
PROVIDER_SECONDS = 0.2
CLIENTS, GREEDY_CLIENTS = 400, 500
CALLERS = ("a", "b", "c", "d", "greedy")
ADMIN = "bench"
_ANSWER = json.dumps({
    "id": "x", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22},
}).encode()  # fmt: skip
_REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_ANSWER), _ANSWER)
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_BODY = b'{"model":"support","messages":[{"role":"user","content":"How do canaries sing?"}]}'


@dataclass(slots=True)
class Seen:
    """Answers that came, with their seconds: those served, those shed, and all others."""

    served: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)
    other: list[int] = field(default_factory=list)
    unsent: int = 0


class Provider(asyncio.Protocol):
    """Answers every request after a while."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.came = b""

    def data_received(self, data: bytes) -> None:
        self.came += data
        head, end, rest = self.came.partition(b"\r\n\r\n")
        if end and len(rest) >= int(_LENGTH.search(head)[1]):  # type: ignore[index]
            self.came = b""
            asyncio.get_running_loop().call_later(PROVIDER_SECONDS, self.transport.write, _REPLY)


class Client(asyncio.Protocol):
    """One connection of a caller: one request at a time."""

    def __init__(self, request: bytes, seen: Seen, done: Callable[["Client"], object]) -> None:
        self.request, self.seen, self.done = request, seen, done
        self.begun_at = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.begun_at = time.monotonic()
            self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.begun_at:
            return
        took, status, self.begun_at = time.monotonic() - self.begun_at, int(data[9:12]), 0.0
        if status == 200:
            self.seen.served.append(took)
        elif status == 503 and b"retry-after: " in data:
            self.seen.shed.append(took)
        else:
            self.seen.other.append(status)
        self.done(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.transport = None
        if self.begun_at:
            self.seen.other.append(0)


def request(caller: str) -> bytes:
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer key-{caller}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(_BODY)}\r\n\r\n"
    ).encode() + _BODY


async def press(port: int, caller: str, clients: int, seconds: float) -> Seen:
    """So many clients that ask again as soon as they were answered."""
    seen, loop = Seen(), asyncio.get_running_loop()
    end = time.monotonic() + seconds

    def again(client: Client) -> None:
        if time.monotonic() < end:
            client.ask()

    async def connect() -> Client:
        return (await loop.create_connection(lambda: Client(request(caller), seen, again), "127.0.0.1", port))[1]

    for client in [await connect() for _ in range(clients)]:
        client.ask()
    await asyncio.sleep(seconds + 1)
    return seen


def _itself(client: Client) -> Client:
    return client


async def offer(port: int, callers: Sequence[str], rate: float, seconds: float, most: int = 3000) -> Seen:
    """Calls at that rate of these callers in turn, whatever becomes of those before."""
    seen, loop = Seen(), asyncio.get_running_loop()
    idle: dict[str, deque[Client]] = {caller: deque() for caller in callers}
    made = 0
    begun = time.monotonic()
    for number in range(int(rate * seconds)):
        wait = begun + number / rate - time.monotonic()
        if wait > 0 or number % 8 == 0:  # late, it still has to read
            await asyncio.sleep(max(0.0, wait))
        caller = callers[number % len(callers)]
        free = idle[caller]
        while free and free[0].transport is None:
            free.popleft()
        if free:
            free.popleft().ask()
        elif made < most:
            made += 1
            client = Client(request(caller), seen, free.append)
            await loop.create_connection(partial(_itself, client), "127.0.0.1", port)
            client.ask()
        else:
            seen.unsent += 1
    await asyncio.sleep(2)
    return seen


PROBES = {
    "/healthz": b"", "/readyz": b"", "/status": b"", "/metrics": b"", "/audit/support": b"",
}  # fmt: skip


async def probe(port: int, seconds: float) -> dict[str, list[float]]:
    """Seconds until each of these was answered, on a new connection each time."""
    found: dict[str, list[float]] = {path: [] for path in PROBES}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path, seen in found.items():
            begun = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {ADMIN}\r\n\r\n".encode())
            line = await reader.readline()
            seen.append(time.monotonic() - begun if b" 200 " in line else float("inf"))
            writer.transport.abort()
        await asyncio.sleep(0.1)
    return found


def _in_process(pipe: Connection, work: Callable[..., object], arguments: Sequence[object]) -> None:
    pipe.send(uvloop.run(work(*arguments)))  # type: ignore[arg-type]


async def apart(work: Callable[..., object], *arguments: object) -> object:
    """Return what this coroutine function returns in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_in_process, args=(theirs, work, arguments))
    process.start()
    theirs.close()  # so that a process that fails ends the wait
    try:
        return await asyncio.to_thread(ours.recv)
    finally:
        process.join(5)


def _provide(pipe: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, backlog=4096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


@contextlib.asynccontextmanager
async def serving(folder: Path, provider: int, delay: str) -> AsyncIterator[int]:
    """`serinus serve` before that provider; its port."""
    keys = {name: {"sha256": hashlib.sha256(f"key-{name}".encode()).hexdigest()} for name in CALLERS}
    files = {
        "gateway.yaml": {
            "providers": {"p": {"api": "openai", "base_url": f"http://127.0.0.1:{provider}/v1"}},
            "keys": keys, "limits": {"delay": delay},
        },
        "routing.yaml": {"agents": {"support": {"stable": "v1"}}},
        "agents/support/v1.yaml": {"model": "p/gpt-4o", "system_prompt": "You are v1."},
    }  # fmt: skip
    for name, content in files.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SERINUS_LISTEN": "127.0.0.1:0", "SERINUS_ADMIN_TOKEN": ADMIN}
    log = folder / f"{time.time_ns()}.log"  # of this run
    with log.open("wb") as out:
        process = await create_subprocess_exec(
            *WRAP, "gateway", "serve", "--config", str(folder / "config"),
            stdout=out, stderr=out, env=environ, cwd=folder,
        )  # fmt: skip
    try:
        yield await _port_in(log)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 40)
        for line in log.read_text().splitlines():
            if '"event":"overload' in line or '"event":"bug"' in line:
                print(line, file=sys.stderr)


async def _port_in(log: Path) -> int:
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.1)
            for line in await asyncio.to_thread(lambda: log.read_text().splitlines()):
                if '"event":"serving"' in line.replace(" ", ""):
                    return int(json.loads(line)["listen"].rpartition(":")[2])


def quantile(values: Sequence[float], share: float) -> float:
    """Milliseconds within which that share of them lies."""
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000, 1) if values else float("nan")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run has measured: calls a second, milliseconds."""

    at: str
    cores: int
    seconds: float
    peak: float
    offered: float
    goodput: float
    shed_rate: float
    shed_p50: float
    shed_p99: float
    failed: int
    unsent: int
    probes_max: dict[str, float]
    probes_p99: dict[str, float]
    alone_p99: float
    beside_p99: float
    alone_served: float
    beside_served: float
    greedy_rate: float


async def measure(folder: Path, provider: int, seconds: float) -> Figures:
    async with serving(folder, provider, "1h") as port:
        await apart(press, port, "a", CLIENTS, 2.0)
        rates = [len((await _load(press, port, "a", CLIENTS, 5.0)).served) / 5.0 for _ in range(3)]
    peak = statistics.median(rates)
    async with serving(folder, provider, "25ms") as port:
        flood = asyncio.create_task(_load(offer, port, ("a",), 2 * peak, seconds))
        probes = await apart(probe, port, seconds)
        over = await flood
        assert isinstance(probes, dict)
    async with serving(folder, provider, "25ms") as port:
        rate, some = peak / 10, min(seconds, 20.0)
        alone = await _load(offer, port, CALLERS[:4], rate, some)
        greed = asyncio.create_task(_load(press, port, "greedy", GREEDY_CLIENTS, some + 2))
        await asyncio.sleep(1.5)
        beside = await _load(offer, port, CALLERS[:4], rate, some)
        greedy = await greed
    return Figures(
        datetime.now(UTC).isoformat(timespec="seconds"), os.cpu_count() or 0, seconds, round(peak), round(2 * peak),
        round(len(over.served) / seconds), round(len(over.shed) / seconds), quantile(over.shed, 0.5),
        quantile(over.shed, 0.99), len(over.other), over.unsent,
        {path: quantile(seen, 1.0) for path, seen in probes.items()},
        {path: quantile(seen, 0.99) for path, seen in probes.items()},
        quantile(alone.served, 0.99), quantile(beside.served, 0.99), _share(alone), _share(beside),
        round(len(greedy.served) / (some + 2)),
    )  # fmt: skip


def _share(seen: Seen) -> float:
    asked = len(seen.served) + len(seen.shed) + len(seen.other)
    return round(len(seen.served) / asked, 4) if asked else 0.0


async def _load(work: Callable[..., object], *arguments: object) -> Seen:
    seen = await apart(work, *arguments)
    assert isinstance(seen, Seen)
    return seen


def table(found: Figures) -> list[str]:
    slowest = max(found.probes_max, key=lambda path: found.probes_max[path])
    return [
        "| what | promise | measured |",
        "|---|---|---|",
        f"| peak, {CLIENTS} clients that wait for their answers | | {found.peak:.0f} calls/s |",
        f"| goodput at twice the peak for {found.seconds:g} s | ≥ 80 % of the peak | {found.goodput:.0f} calls/s "
        f"({found.goodput / found.peak:.0%}), {found.shed_rate:.0f} shed a second |",
        f"| 503 of a shed call | within 100 ms | p50 {found.shed_p50:g} ms, p99 {found.shed_p99:g} ms |",
        f"| health, status, metrics, audit meanwhile | within 500 ms | slowest {found.probes_max[slowest]:g} ms "
        f"(`{slowest}`) |",
        f"| other answers | 0 | {found.failed} |",
        f"| p99 of four callers beside a greedy one | ≤ 2 × alone | {found.beside_p99:g} ms, alone "
        f"{found.alone_p99:g} ms ({found.beside_p99 / found.alone_p99:.2f} ×) |",
        f"| calls of the four that are served beside it | all | {found.beside_served:.2%} |",
    ]


async def run(seconds: float) -> Figures:
    ours, theirs = multiprocessing.Pipe()
    provider = multiprocessing.get_context("spawn").Process(target=_provide, args=(theirs,), daemon=True)
    provider.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return await measure(Path(folder), ours.recv(), seconds)
    finally:
        provider.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    given = parser.parse_args()
    found = asyncio.run(run(given.seconds))
    lines = table(found)
    print("\n".join(lines))
    with RESULTS.open("a") as out:
        out.write(json.dumps(asdict(found)) + "\n")
    if given.write:
        quote("bench.overload", lines, COMMAND, DOCUMENT)
    kept = found.goodput >= 0.8 * found.peak and found.shed_p99 <= 100 and max(found.probes_max.values()) <= 500
    return 0 if kept and found.beside_p99 <= 2 * found.alone_p99 else 1


if __name__ == "__main__":
    sys.exit(main())
