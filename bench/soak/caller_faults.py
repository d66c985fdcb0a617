"""Callers who behave badly, beside those who do not."""

import asyncio
from random import Random

from bench.soak.clients import line_of
from bench.soak.faults import Scene, fault
from bench.soak.wire import Manner

LEAVERS, SLOW_READERS, GREEDY = 8, 4, 24


@fault("callers", "the provider is cancelled; no error of the version; the cost so far is booked")
async def callers_leave(scene: Scene, seconds: float) -> None:
    """They end the connection before the first byte, or in the middle."""

    async def leave(rng: Random) -> None:
        line = line_of(scene.world, rng)
        while not over.is_set():
            await scene.callers.converse(line, rng, Manner(leaves_after=rng.uniform(0.004, 0.06)))
            await asyncio.sleep(0.05)
        line.close()

    over = asyncio.Event()
    await _let_them(scene, leave, LEAVERS, over, seconds)


@fault("callers", "others are unaffected; their own answers come in full")
async def callers_read_slowly(scene: Scene, seconds: float) -> None:
    """They rest before each piece of a stream."""

    async def read(rng: Random) -> None:
        line = line_of(scene.world, rng)
        while not over.is_set():
            await scene.callers.converse(line, rng, Manner(rests=0.05))
        line.close()

    over = asyncio.Event()
    await _let_them(scene, read, SLOW_READERS, over, seconds)


@fault("callers", "its own calls are refused beyond its limit; others are unaffected")
async def greedy_caller(scene: Scene, seconds: float) -> None:
    """One key calls as fast as it can, far more at once than it may."""

    async def grab(rng: Random) -> None:
        line = line_of(scene.world, rng)
        while not over.is_set():
            await scene.callers.chat(line, "by-chat", "greedy")
            await asyncio.sleep(0.05)
        line.close()

    over = asyncio.Event()
    await _let_them(scene, grab, GREEDY, over, seconds)


async def _let_them(scene: Scene, act: object, number: int, over: asyncio.Event, seconds: float) -> None:
    acting = [asyncio.create_task(act(Random(scene.rng.getrandbits(48)))) for _ in range(number)]  # type: ignore[operator]
    await asyncio.sleep(seconds)
    over.set()
    await asyncio.gather(*acting)
