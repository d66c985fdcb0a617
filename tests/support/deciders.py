"""Who decides at the same moment, in processes of their own: `python -m tests.support.deciders URL AGENT COUNT`.

Each process is one replica's store with some deciders. A line on its standard input starts a race, in which all of them
commit against the epoch of the record; it answers with a line that says who won, and what everybody was told.
"""

import asyncio
import json
import sys
import uuid
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from gateway.store import Committed, RedisStore, connect
from policies.rollout.state import State
from tests.support.decisions import beginning, following

DECIDERS = 32
REPLICAS = 3
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Race:
    """The records that won, by process, and all the different records that somebody was told, as JSON."""

    won: Sequence[Sequence[str]]
    told: frozenset[str]

    @property
    def winner(self) -> Any:
        """The record of the one winner, of which everybody was told. Raises AssertionError when it was not so."""
        winners = [record for records in self.won for record in records]
        assert len(winners) == 1, f"{len(winners)} winners"
        assert self.told == set(winners), "somebody was told of another record"
        return json.loads(winners[0])

    @property
    def process(self) -> int:
        """The number of the process that won."""
        return next(number for number, records in enumerate(self.won) if records)


@dataclass(frozen=True, slots=True)
class Deciders:
    """Running processes, which wait for a race to start."""

    processes: Sequence[Process]

    async def race(self) -> Race:
        """One race, started in all processes together."""
        for process in self.processes:
            assert process.stdin
            process.stdin.write(b"\n")
        answers = [json.loads(await _line(process)) for process in self.processes]
        return Race([answer["won"] for answer in answers], frozenset().union(*(answer["told"] for answer in answers)))


@asynccontextmanager
async def deciders(url: str, agent: str) -> AsyncIterator[Deciders]:
    """32 deciders over three processes, for an agent that begins with its first record."""
    store = RedisStore(connect(url), uuid.uuid4().hex)
    await store.commit(agent, beginning(), "config")
    await store.aclose()
    processes = [await _start(url, agent, len(range(n, DECIDERS, REPLICAS))) for n in range(REPLICAS)]
    try:
        for process in processes:
            await _line(process)
        yield Deciders(processes)
    finally:
        for process in processes:
            process.kill()
            await process.wait()


async def _start(url: str, agent: str, count: int) -> Process:
    arguments = ("-m", "tests.support.deciders", url, agent, str(count))
    return await create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE, cwd=_ROOT)


async def _line(process: Process) -> bytes:
    assert process.stdout
    async with asyncio.timeout(30):
        line = await process.stdout.readline()
    assert line, "the process has ended"
    return line


def decide(url: str, agent: str, count: int) -> None:
    """One of those processes: a race for every line, until there are no more."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        store = RedisStore(connect(url), uuid.uuid4().hex)
        state, _ = runner.run(store.read(agent))
        print("ready", flush=True)
        for _line in sys.stdin:
            assert state
            committed = runner.run(_all_commit(store, agent, state, count))
            won, told = ([_text(each.state) for each in some] for some in ([c for c in committed if c.won], committed))
            print(json.dumps({"won": won, "told": sorted(set(told))}), flush=True)
            state = committed[0].state
        runner.run(store.aclose())


async def _all_commit(store: RedisStore, agent: str, state: State, count: int) -> list[Committed]:
    own = uuid.uuid4().hex
    attempts = [following(state, reason=f"decider {n} of {own}") for n in range(count)]
    return await asyncio.gather(*(store.commit(agent, attempt, "config") for attempt in attempts))


def _text(state: State | None) -> str:
    return json.dumps(asdict(state) if state else None, sort_keys=True)


if __name__ == "__main__":
    decide(sys.argv[1], sys.argv[2], int(sys.argv[3]))
