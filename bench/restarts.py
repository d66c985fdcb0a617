"""How soon a trial is as it was after kill -9 of every replica and of Redis, which keeps an append-only file.

    python -m bench.restarts [--rounds 5] [--write]

Three `serinus serve` in the middle of a trial whose canary has failed some calls. From the moment when Redis answers
and the last replica takes calls, until the status of all three says the same phase, epoch, weight and e-value as
before (the asking is in it), and until all three tables have turned to that epoch (by the stamps in their logs); then
each must serve sixty units the versions that they had. Once with Redis back before the replicas, once after them: the
poll finds it then, once in a second or so. A round takes some 10 s. `--write` puts the table into docs/statistics.md.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.quoting import quote
from tests.support.redis_servers import ExternalRedis
from tests.support.restarts import Back, Memory, Trial, a_trial

NAMES = ("one", "two", "three")
BAR = 1.0  # seconds


async def interrupt(trial: Trial, redis: ExternalRedis) -> Memory:
    """Let everybody die in the middle of the trial; what it was then."""
    await redis.start()
    async with trial.replicas({"SERINUS_STORE": redis.url}, *NAMES) as replicas:
        memory = await trial.proceed(replicas)
        await asyncio.gather(redis.kill(), *(served.kill() for served in replicas))
    return memory


async def store_first(trial: Trial, redis: ExternalRedis) -> Back:
    """How soon all is as it was, where Redis came back before the replicas did."""
    memory = await interrupt(trial, redis)
    await redis.start()
    async with trial.replicas({"SERINUS_STORE": redis.url}, *NAMES) as replicas:
        return await trial.seconds_until(memory, replicas)


async def store_last(trial: Trial, redis: ExternalRedis) -> Back:
    """How soon all is as it was, where the replicas served without Redis until it came back."""
    memory = await interrupt(trial, redis)
    async with trial.replicas({"SERINUS_STORE": redis.url}, *NAMES) as replicas:
        await redis.start()
        return await trial.seconds_until(memory, replicas)


ORDERS = {"Redis first, then the replicas": store_first, "the replicas first, then Redis": store_last}


async def measure(name: str, rounds: int) -> list[Back]:
    """What each round measured."""
    found = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            redis = ExternalRedis(Path(folder) / "redis")
            async with a_trial(Path(folder), f"agent-{number}") as trial:
                found.append(await ORDERS[name](trial, redis))
            await redis.kill()
    return found


def row(name: str, found: Sequence[Back]) -> str:
    """One line of the table."""
    said, applied = _both([back.said for back in found]), _both([back.applied for back in found])
    return f"| {name} | {len(found)} | {said} | {applied} | {BAR:g} s |"


def _both(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} s / {max(seconds):.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write docs/statistics.md")
    args = parser.parse_args()
    lines = ["| back | rounds | status: median / slowest | tables: median / slowest | bar |", "|---|---|---|---|---|"]
    lines += [row(name, asyncio.run(measure(name, args.rounds))) for name in ORDERS]
    print("\n".join(lines))
    if args.write:
        quote("bench.restarts", lines, f"python -m bench.restarts --rounds {args.rounds} --write")


if __name__ == "__main__":
    main()
