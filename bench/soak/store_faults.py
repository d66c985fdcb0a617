"""Faults of the store and of the way to it. No client may notice any of them."""

import asyncio
import signal

from bench.soak.faults import Scene, fault
from tests.support.redis_servers import until

_PROMISE = "no failed call; counts resume, nothing counted twice, nothing lost of what was buffered"
SLOW_SECONDS = 0.1  # each way


@fault("store", _PROMISE)
async def store_killed(scene: Scene, seconds: float) -> None:
    """kill -9; it comes back with its append-only file."""
    await scene.world.store.kill()
    await asyncio.sleep(seconds)
    await scene.world.store.start()
    await until(scene.world.store_answers)


@fault("store", _PROMISE)
async def store_paused(scene: Scene, seconds: float) -> None:
    """SIGSTOP: connections stay open, and nothing is answered."""
    scene.world.store.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        scene.world.store.signal(signal.SIGCONT)


@fault("store", _PROMISE)
async def store_slow(scene: Scene, seconds: float) -> None:
    """200 ms for each round trip."""
    scene.world.proxy.delay = SLOW_SECONDS
    await asyncio.sleep(seconds)
    scene.world.proxy.delay = 0.0


@fault("store", _PROMISE)
async def store_cut_off(scene: Scene, seconds: float) -> None:
    """A partition: connections end, announcements too, and new ones are refused."""
    scene.world.proxy.cut()
    await asyncio.sleep(seconds)
    scene.world.proxy.mend()


@fault(
    "store", "towards stable only; a higher epoch; what was counted before is gone, and nothing else", is_erasing=True
)
async def store_emptied(scene: Scene, seconds: float) -> None:
    """FLUSHALL."""
    await scene.world.store.flush_all()
