"""How soon a decision has reached every replica: from its commit until each of their tables has turned.

    python -m bench.propagation [--turns 300] [--write]

Three `serinus serve` over one real Redis. One of them gets orders (pause and resume, of twenty agents in turn, some ten
a second); the figures are those of the two others. A commit's time is Redis's clock inside the script that commits,
earlier than the answer to whoever ordered it; a table's time is the stamp of the log line that is written when it has
turned, by the clock of the same machine. So what is measured is a little more than what is promised: nothing polls, and
the writing of the line is not in it. Once with announcements, once as a Redis user who may neither publish nor
subscribe. 300 turns take some 80 s. `--write` puts the table into docs/statistics.md.
"""

import argparse
import asyncio
import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.quoting import quote
from gateway.store import RedisStore, connect
from tests.support.crew import Crew, crew
from tests.support.processes import Served
from tests.support.redis_servers import tcp_server, until

AGENTS = tuple(f"agent-{n:02}" for n in range(20))
REPLICAS = 3
PAUSE_SECONDS = (0.05, 0.15)  # between two orders; drawn, so that they fall anywhere between two polls
QUIET = ("--user", "quiet", "on", ">quiet", "~*", "+@all", "resetchannels")  # a Redis user without any channel

Commits = Mapping[tuple[str, int], float]  # the time of every commit, by agent and epoch


@dataclass(frozen=True, slots=True)
class Way:
    """One way for a change to get around, as which user of Redis, and its bar: 99 of 100 within so many seconds."""

    name: str
    login: str
    bar: float


WAYS = (Way("announced", "", 0.1), Way("pub/sub cut, the poll alone", "quiet:quiet@", 1.5))


async def measure(way: Way, turns: int, rng: random.Random) -> list[float]:
    """Seconds from commit to table, of every turn at every replica but the one that was told to make it; sorted."""
    with tempfile.TemporaryDirectory() as folder:
        async with tcp_server(Path(folder), *QUIET) as port:
            url = f"redis://{way.login}127.0.0.1:{port}/0"
            async with crew(Path(folder), url, AGENTS, REPLICAS, people=1) as here:
                await order(here, turns, rng)
                committed = await commits(url)
                return sorted([lag for served in here.replicas[1:] for lag in await lags(served, committed)])


async def order(here: Crew, turns: int, rng: random.Random) -> None:
    """Pause and resume the agents in turn. Raises AssertionError when an order is not carried out."""
    (person,) = here.people
    for turn in range(turns):
        round_, number = divmod(turn, len(AGENTS))
        reply = await person.command(AGENTS[number], "resume" if round_ % 2 else "pause", epoch=round_ + 1)
        assert reply.status == 200, reply
        await asyncio.sleep(rng.uniform(*PAUSE_SECONDS))


async def commits(url: str) -> Commits:
    """When each of the orders was committed, by Redis's clock."""
    store, found = RedisStore(connect(url), "reader"), {}
    for agent in AGENTS:
        async for event in store.audit_all(agent):
            if event["epoch_after"] > 1:
                found[agent, event["epoch_after"]] = event["at"]
    await store.aclose()
    return found


async def lags(served: Served, committed: Commits) -> list[float]:
    """How long after each commit that replica's table had turned to it, or to a later one of the same agent."""
    latest = {agent: max(epoch for name, epoch in committed if name == agent) for agent, _ in committed}

    async def has_all() -> bool:
        applied = _applied(served)
        return all((agent, epoch) in applied for agent, epoch in latest.items())

    await until(has_all)
    applied = _applied(served)
    return [
        min(at for (name, epoch), at in applied.items() if name == agent and epoch >= wanted) - began
        for (agent, wanted), began in committed.items()
    ]


def _applied(served: Served) -> Commits:
    lines = [line for line in served.log() if line["event"] == "record_applied"]
    return {(line["agent"], line["epoch"]): line["at"] for line in lines}


def row(way: Way, seconds: Sequence[float]) -> str:
    """One line of the table; `seconds` are sorted."""
    shown = " | ".join(_milliseconds(seconds[math.ceil(share * len(seconds)) - 1]) for share in (0.5, 0.99, 1.0))
    return f"| {way.name} | {len(seconds)} | {shown} | {_milliseconds(way.bar)} |"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=300, help="orders for each row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/statistics.md")
    args = parser.parse_args()
    lines = ["| | turns seen | median | 99 of 100 | slowest | bar for 99 of 100 |", "|---|---|---|---|---|---|"]
    for way in WAYS:
        lines.append(row(way, asyncio.run(measure(way, args.turns, random.Random(args.seed)))))
    print("\n".join(lines))
    if args.write:
        quote("bench.propagation", lines, f"python -m bench.propagation --turns {args.turns} --write")


if __name__ == "__main__":
    main()
