"""How long the pages and APIs of the status take with 200 agents on trial and 30 days of history.

    python -m bench.pages [--agents 200] [--rounds 20] [--quote]

A gateway over an embedded store of its own has that many trials, each with calls on both arms, and the intervals of 31
days of each are written into the store. Each address is asked for in turn, by one reader over a kept connection. The
first answer of all, after a time in which nobody looked, is told apart. The figures are milliseconds: the median and
the 90th percentile of the rounds, and the CPU time of gateway and reader together, which a busy machine changes less:
all that the gateway does beside is in it. `--quote` puts the figures into docs/performance.md.
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

from bench.quoting import STATISTICS, quote
from gateway.rehearsal.standin import ModelBehaviour
from gateway.store import EmbeddedRedis
from gateway.store.intervals import LENGTHS, history_keys
from tests.support.crowd import Line, crowd
from tests.support.running import provider, running, write

_LIMIT_MS = 50.0
_IDLE_SECONDS = 25.0  # after which nothing is left to flush, and each view was made while nobody looked
_DOCUMENT = STATISTICS.with_name("performance.md")
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


async def measure(agents: int, rounds: int) -> tuple[bool, list[str]]:
    """Return whether every median is below the limit, and the table."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder) / "store", log=lambda *_: None)
        url = await server.start()
        try:
            async with provider(good=ModelBehaviour()) as standin:
                files = write(Path(folder) / "config", configuration(agents, standin.base_url))
                async with running(files, url) as served, crowd(served.url) as people:
                    for number in range(agents):
                        await people.call_often(f"agent-{number:03}", 40)
                    before = await _fill(url, 0)
                    after = await _fill(url, agents)
                    await asyncio.sleep(_IDLE_SECONDS)
                    is_fast, rows = await _table(served.url, rounds)
                    megabytes = (after - before) / 2**20
                    held = f"Redis holds {megabytes:,.0f} MB for it, {megabytes / agents:.2f} MB an agent."
                    return is_fast, [f"{agents} agents with 31 days of history. {held}", "", *rows]
        finally:
            await server.stop()


async def _fill(url: str, agents: int) -> int:
    """Write the history of so many agents; return the bytes that the store takes then."""
    client = Redis.from_url(url)
    written = list(intervals(time.time()))
    for number in range(agents):
        await client.hset(history_keys(f"agent-{number:03}")[1], mapping=dict(written))
    used = (await client.info("memory"))["used_memory"]
    await client.aclose()
    return int(used)


async def _table(url: str, rounds: int) -> tuple[bool, list[str]]:
    line, is_fast = Line(url), True
    first, cpu = await _rounds(line, _ADDRESSES["overview, page"], 1)
    rows = ["| | median, ms | p90, ms | CPU, ms |", "|---|---|---|---|"]
    rows.append(f"| first overview after idleness | {first[0]:.0f} | | {cpu:.0f} |")
    for name, address in _ADDRESSES.items():
        took, cpu = await _rounds(line, address, rounds)
        median, slow = statistics.median(took), statistics.quantiles(took, n=10)[-1]
        is_fast &= median < _LIMIT_MS
        rows.append(f"| {name} | {median:.1f} | {slow:.1f} | {cpu:.1f} |")
    line.close()
    return is_fast, rows


async def _rounds(line: Line, address: tuple[str, str], rounds: int) -> tuple[list[float], float]:
    """Ask that often; return the milliseconds of each, and those of the CPU on average."""
    before = time.process_time()
    took = [await _ask(line, *address) for _ in range(rounds)]
    return took, (time.process_time() - before) / rounds * 1e3


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
    parser.add_argument("--quote", action="store_true")
    given = parser.parse_args()
    is_fast, rows = asyncio.run(measure(given.agents, given.rounds))
    print("\n".join(rows))
    if given.quote:
        quote("pages", rows, "python -m bench.pages --quote", _DOCUMENT)
    return 0 if is_fast else 1


if __name__ == "__main__":
    raise SystemExit(main())
