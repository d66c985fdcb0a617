"""Whether of 32 deciders who decide from the same epoch exactly one wins: ten thousand races over three processes.

    python -m bench.races [--races 10000] [--write]

Each process is a replica's store with its own share of the deciders; all of them commit in every race, over one real
Redis. A race is right when there is one winner of which everybody is told; in the end there must be one audit event for
each, with the winner's reason, in one whole chain. Stops at the first race that is not. 10,000 races take three to
six minutes. `--write` puts the table into docs/statistics.md.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from bench.quoting import quote
from gateway.store import EmbeddedRedis, RedisStore, connect, verify
from tests.support.deciders import DECIDERS, REPLICAS, Race, deciders

AGENT = "agent"


async def run(races: int) -> list[str]:
    """What was measured, as lines of Markdown. Raises AssertionError when a race had no or several winners."""
    with tempfile.TemporaryDirectory() as folder:
        redis = EmbeddedRedis(Path(folder) / "redis", log=print)
        url = await redis.start()
        try:
            began = monotonic()
            async with deciders(url, AGENT) as running:
                run = [await running.race() for _ in range(races)]
            return table(run, await _events(url, run), monotonic() - began)
        finally:
            await redis.stop()


async def _events(url: str, races: Sequence[Race]) -> int:
    """How many events the audit has beside the first. Raises AssertionError when they are not the winners'."""
    store = RedisStore(connect(url), "reader")
    events = [event async for event in store.audit_all(AGENT)]
    await store.aclose()
    assert [event["reason"] for event in events[1:]] == [race.winner["reason"] for race in races]
    assert verify(events) == []
    return len(events) - 1


def table(races: Sequence[Race], events: int, seconds: float) -> list[str]:
    """What was measured, as lines of Markdown."""
    won = Counter(race.process for race in races)
    shares = ", ".join(f"{won[number]:,}" for number in range(REPLICAS))
    return [
        f"| races of {DECIDERS} deciders | one winner, told to all | won by process | events in one chain | seconds |",
        "|---|---|---|---|---|",
        f"| {len(races):,} | {sum(won.values()):,} | {shares} | {events:,} | {seconds:.0f} |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="write docs/statistics.md")
    args = parser.parse_args()
    lines = asyncio.run(run(args.races))
    print("\n".join(lines))
    if args.write:
        quote("bench.races", lines, f"python -m bench.races --races {args.races} --write")


if __name__ == "__main__":
    main()
