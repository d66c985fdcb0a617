"""What a second worker brings: CPU µs per call of one worker alone, and of two workers at the same time.

    python -m bench.workers [--seconds 4] [--rounds 3] [--connections 16]

The load generator (wrk) and the provider share the machine with the workers, so on two cores no rate by the clock can
show what two workers are worth. How much processor time a call takes of its worker does not depend on who else waits
for the cores: a core of its own serves 1e6 / that. The *capacity* of two is the sum over both, measured while both are
under load and share caches, port and store. *Balanced*, which is stricter, is what both serve at the shares that were
seen, once the first of them is full. Both are compared with one worker alone; rounds are interleaved, and medians
count. The rate by the clock is printed beside them, and shows the machine, not the workers.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.transports import serve as provider

ROOT = Path(__file__).parent.parent
LUA = """wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"model":"support","messages":[{"role":"user","content":"How do canaries sing?"}]}'
"""


@dataclass(frozen=True, slots=True)
class Round:
    """CPU µs per call and calls of each worker, and calls per second by the clock."""

    costs: tuple[float, ...]
    calls: tuple[int, ...]
    rate: float

    @property
    def capacity(self) -> float:
        """Calls/s of all workers, each on a core of its own and full."""
        return sum(1e6 / cost for cost in self.costs)

    @property
    def balanced(self) -> float:
        """Calls/s when the first worker is full, at the shares that were seen."""
        total = sum(self.calls)
        return min(1e6 / cost * total / calls for cost, calls in zip(self.costs, self.calls, strict=True))


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves. `workers` are process ids by replica."""

    url: str
    log: Path
    workers: Mapping[str, int]

    def calls(self) -> Counter[str]:
        """Calls so far, by replica."""
        return Counter(str(line["replica"]) for line in lines(self.log) if line["event"] == "call")


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_bytes().rpartition(b"\n")[0].splitlines()]


def cpu_us(pid: int) -> float:
    """Scheduled time of a process so far, over all of its threads."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e3


def configure(folder: Path, port: int) -> Path:
    """One agent at the provider on that port."""
    files = {
        "gateway.yaml": {"providers": {"p": {"api": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}}},
        "routing.yaml": {"agents": {"support": {"stable": "v1"}}},
        "agents/support/v1.yaml": {"model": "p/gpt-4o", "system_prompt": "You are v1."},
    }
    for name, content in files.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (folder / "wrk.lua").write_text(LUA)
    return folder / "config"


@contextlib.asynccontextmanager
async def serving(folder: Path, workers: int) -> AsyncIterator[Gateway]:
    """`serinus serve` with so many workers, all ready, over a private Redis; its log goes to a file."""
    log = folder / f"{workers}.log"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SERINUS_LISTEN": "127.0.0.1:0", "SERINUS_ADMIN_TOKEN": "bench"}
    with log.open("wb") as out:
        process = await create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve", "--config", str(folder / "config"), "--workers", str(workers),
            stdout=out, env=environ, cwd=folder,
        )  # fmt: skip
    try:
        yield await until_ready(process.pid, log, workers)
    finally:
        process.terminate()
        await process.wait()


async def until_ready(pid: int, log: Path, workers: int) -> Gateway:
    """One process alone is its own worker; of several the parent says which process is which replica."""
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.1)
            serving = [line for line in lines(log) if line["event"] == "serving"]
            ready = [line for line in lines(log) if line["event"] == "worker_ready"]
            if workers == 1 and serving:
                return Gateway(f"http://{serving[0]['listen']}", log, {str(serving[0]["replica"]): pid})
            if workers > 1 and len(ready) == workers:
                pids = {str(line["replica"]): int(str(line["pid"])) for line in ready}
                return Gateway(f"http://{serving[0]['listen']}", log, pids)


async def load(gateway: Gateway, folder: Path, connections: int, seconds: int) -> float:
    """Calls per second by the clock, closed loop. Raises RuntimeError when a call went wrong."""
    process = await create_subprocess_exec(
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(folder / "wrk.lua"),
        f"{gateway.url}/v1/chat/completions", stdout=PIPE,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return float(found[1])


async def measure(folder: Path, workers: int, connections: int, seconds: int) -> Round:
    """One round, after a second to warm up."""
    async with serving(folder, workers) as gateway:
        await load(gateway, folder, connections, 1)
        cpu = {replica: cpu_us(pid) for replica, pid in gateway.workers.items()}
        before = gateway.calls()
        rate = await load(gateway, folder, connections, seconds)
        spent = {replica: cpu_us(pid) - cpu[replica] for replica, pid in gateway.workers.items()}
        calls = gateway.calls() - before
    counted = tuple(calls[replica] for replica in gateway.workers)
    return Round(tuple(spent[replica] / max(1, calls[replica]) for replica in gateway.workers), counted, rate)


async def rounds(folder: Path, args: argparse.Namespace) -> dict[int, list[Round]]:
    seen: dict[int, list[Round]] = {1: [], 2: []}
    for _ in range(args.rounds):
        for workers, found in seen.items():
            found.append(await measure(folder, workers, args.connections, args.seconds))
    return seen


def report(seen: Mapping[int, list[Round]]) -> None:
    heads = ("workers", "CPU µs per call", "shares of calls", "capacity", "balanced", "by the clock")
    print("{:>7} {:>20} {:>16} {:>9} {:>9} {:>13}".format(*heads))
    for workers, found in seen.items():
        for each in found:
            costs = " + ".join(f"{cost:.0f}" for cost in each.costs)
            shares = " : ".join(f"{calls / sum(each.calls):.0%}" for calls in each.calls)
            print(f"{workers:7} {costs:>20} {shares:>16} {each.capacity:9.0f} {each.balanced:9.0f} {each.rate:13.0f}")
    for name in ("capacity", "balanced", "rate"):
        one, two = (statistics.median(getattr(each, name) for each in seen[workers]) for workers in (1, 2))
        print(f"two over one, {name}: {two / one:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    args = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=provider, args=(there,), daemon=True)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            configure(Path(folder), here.recv())
            report(asyncio.run(rounds(Path(folder), args)))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
