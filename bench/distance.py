"""How a store that is far away shows in calls: `python -m bench.distance [--seconds 4] [--rounds 3] [--write]`.

A gateway of its own for each distance, over one Redis behind a proxy that holds every byte back for half of the round
trip. Rounds are interleaved, medians count: CPU µs of a call at 16 callers, and what an open loop of 300 calls/s waits.
"""

import argparse
import asyncio
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from bench.gateways import measure, tree
from bench.gateways.__main__ import DOCUMENT
from bench.gateways.install import ROOT
from bench.gateways.peers import CONFIG, PEERS, Launch, serinus
from bench.gateways.plan import workshop
from bench.quoting import quote
from gateway.store.server_binary import bundled_binary

ROUND_TRIPS_MS = (0, 5, 50)
_GATEWAY, _STORE, _PROXY = 18083, 18084, 18085  # ports
_RATE = 300.0
_COMMAND = "python -m bench.distance --write"
_MEASURES = ("json c=16 cpu us", "open p50 ms", "open p99 ms")


def main(arguments: list[str]) -> int:
    """Measure, print, and record if asked."""
    given = _parser().parse_args(arguments)
    if given.proxy is not None:
        asyncio.run(_proxy(given.proxy))
        return 0
    lines = list(_table(_measured(given.rounds, given.seconds)))
    print("\n".join(lines))
    if given.write:
        quote("bench.distance", lines, _COMMAND, DOCUMENT)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.distance", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--proxy", type=int, help=argparse.SUPPRESS)
    return parser


Seen = dict[tuple[int, str], list[float]]


def _measured(rounds: int, seconds: int) -> Seen:
    """By round trip in ms and measure: a value for each round."""
    seen: Seen = defaultdict(list)
    with workshop() as (folder, core, upstream), _redis(folder):
        for turn in range(rounds):
            for trip in ROUND_TRIPS_MS:
                with _far(trip):
                    for row in _round(turn, seconds, Path(tempfile.mkdtemp(dir=folder)), core, upstream.address[1]):
                        seen[trip, row.measure].append(row.value)
    return seen


def _round(turn: int, seconds: int, folder: Path, core: int, upstream: int) -> list[measure.Row]:
    peer = dataclasses.replace(PEERS[0], launch=_launch)
    with measure.running(peer, turn, folder, (_GATEWAY, upstream), core) as subject:
        measure.warm(subject, seconds)
        measure.calls(subject, 16, seconds)
        measure.open_loop(subject, "open", _RATE, seconds)
    return subject.rows


def _launch(folder: Path, port: int, upstream: int) -> Launch:
    """Serinus as always, over the Redis behind the proxy."""
    launch = serinus(folder, port, upstream)
    file = folder / CONFIG / "gateway.yaml"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"store": f"redis://127.0.0.1:{_PROXY}/0"}))
    return launch


def _table(seen: Seen) -> Iterator[str]:
    yield "| round trip to the store, ms | CPU of a call, × | open loop p50, ms | p99, ms |"
    yield "|---|---|---|---|"
    nearest = statistics.median(seen[ROUND_TRIPS_MS[0], _MEASURES[0]])
    for trip in ROUND_TRIPS_MS:
        cpu, usual, worst = (statistics.median(seen[trip, name]) for name in _MEASURES)
        yield f"| {trip} | {cpu / nearest:.2f} | {usual:.2f} | {worst:.2f} |"


@contextmanager
def _redis(folder: Path) -> Iterator[None]:
    """An empty Redis that keeps nothing."""
    command = [str(bundled_binary()), "--port", str(_STORE), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(command):
        yield


@contextmanager
def _far(trip: int) -> Iterator[None]:
    """The way there and back, for as long as a round takes. The gateway waits until it stands."""
    with _running([sys.executable, "-m", "bench.distance", "--proxy", str(trip)]):
        yield


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        tree.stop(process)


async def _proxy(trip: int) -> None:
    """Carry bytes to the store and back, each way late by half of the round trip."""
    server = await asyncio.start_server(partial(_carry, trip / 2e3), "127.0.0.1", _PROXY)
    async with server:
        await server.serve_forever()


async def _carry(late: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    back, there = await asyncio.open_connection("127.0.0.1", _STORE)
    await asyncio.gather(_pump(late, reader, there), _pump(late, back, writer))


async def _pump(late: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            loop.call_later(late, writer.write, data)
    loop.call_later(late, writer.close)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
