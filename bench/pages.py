"""How long the pages and APIs of the status take with 200 agents on trial and 30 days of history.

    python -m bench.pages [--agents 200] [--rounds 20]

A gateway over an embedded store of its own has that many trials, each with calls on both arms; the intervals of 31 days
are written into the store for one of them. Each address is asked for in turn, by one reader over a kept connection. The
first answer of all reads every agent; its time is told apart. The figures are milliseconds: the median and the 90th
percentile of the rounds, and the CPU time of gateway and reader together, which a busy machine does not change.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
from redis.asyncio import Redis

from gateway.rehearsal.standin import ModelBehaviour
from gateway.store import EmbeddedRedis
from gateway.store.intervals import LENGTHS, history_keys
from tests.support.crowd import Line, crowd
from tests.support.running import provider, running, write

_LIMIT_MS = 50.0
_WATCHED = "agent-000"
_HISTOGRAM = "-4 (-5AKA5-("  # a first bucket, and counts of the next ones as history.lua writes them
_ADDRESSES = {
    "overview, page": ("/status", "text/html"),
    "overview, JSON": ("/status", "application/json"),
    "one agent, page of an hour": (f"/status/{_WATCHED}", "text/html"),
    "one agent, page of 30 days": (f"/status/{_WATCHED}?range=30d", "text/html"),
    "one agent, JSON": (f"/status/{_WATCHED}", "application/json"),
    "history of 30 days, JSON": (f"/status/{_WATCHED}/history?since=30d&step=6h", "application/json"),
}


def configuration(agents: int, base_url: str) -> dict[str, object]:
    """Return the files of so many agents, each with a canary at half of the traffic."""
    names = [f"agent-{number:03}" for number in range(agents)]
    trials = {name: {"stable": "v1", "canary": "v2", "weight": "50%"} for name in names}
    files: dict[str, object] = {
        "gateway.yaml": {"providers": {"standin": {"api": "openai", "base_url": base_url}}},
        "routing.yaml": {"agents": trials},
    }
    for name in names:
        files[f"agents/{name}/v1.yaml"] = {"model": "standin/good", "system_prompt": "You are v1."}
        files[f"agents/{name}/v2.yaml"] = {"model": "standin/good", "system_prompt": "You are v2."}
    return files


def intervals(now: float) -> Iterator[tuple[str, str]]:
    """Yield every interval that is kept of two busy versions, as the store has them."""
    sums = [900, 12, 0, 3, 2, 0, 90_000, 0, 30_000, 0, 4_000_000_000, 0, 0, 0, 300]
    cells = [[series, sums, _HISTOGRAM, _HISTOGRAM, {"status": 12}] for series in ("v1|stable", "v2|canary")]
    text = orjson.dumps(cells).decode()
    for seconds, kept in LENGTHS.items():
        last = int(now // seconds) - 1
        for number in range(last - kept // seconds, last):
            yield f"{seconds}:{number}", text


async def measure(agents: int, rounds: int) -> bool:
    """Print the table; return whether every median is below the limit."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder) / "store", log=lambda *_: None)
        url = await server.start()
        try:
            async with provider(good=ModelBehaviour()) as standin:
                files = write(Path(folder) / "config", configuration(agents, standin.base_url))
                async with running(files, url) as served, crowd(served.url) as people:
                    for number in range(agents):
                        await people.call_often(f"agent-{number:03}", 40)
                    await asyncio.sleep(2)
                    await _fill(url)
                    return await _table(served.url, rounds)
        finally:
            await server.stop()


async def _fill(url: str) -> None:
    client = Redis.from_url(url)
    await client.hset(history_keys(_WATCHED)[1], mapping=dict(intervals(time.time())))
    await client.aclose()


async def _table(url: str, rounds: int) -> bool:
    line, is_fast = Line(url), True
    first = await _ask(line, *_ADDRESSES["overview, page"])
    print(f"{'':<30}   median      p90      CPU")
    print(f"{'first answer of all':<30} {first:8.1f}")
    for name, address in _ADDRESSES.items():
        before = time.process_time()
        took = [await _ask(line, *address) for _ in range(rounds)]
        cpu = (time.process_time() - before) / rounds * 1e3
        median, slow = statistics.median(took), statistics.quantiles(took, n=10)[-1]
        is_fast &= median < _LIMIT_MS
        print(f"{name:<30} {median:8.1f} {slow:8.1f} {cpu:8.1f}")
    line.close()
    return is_fast


async def _ask(line: Line, path: str, accept: str) -> float:
    """Return the milliseconds from the request to the last byte of its answer."""
    began = time.perf_counter()
    reply = await line.ask("GET", path, headers=(f"accept: {accept}",))
    assert reply.status == 200, reply.body
    return (time.perf_counter() - began) * 1e3


def main() -> int:
    """Return 1 where a median is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    return 0 if asyncio.run(measure(given.agents, given.rounds)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
