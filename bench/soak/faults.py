"""Registry of faults. One is a coroutine that makes the fault, waits for its seconds and mends it.

    @fault("store", "no call fails or waits; counts resume", seconds=(1.0, 4.0))
    async def store_paused(scene: Scene, seconds: float) -> None:
        scene.world.store.signal(signal.SIGSTOP)
        ...

Faults of one kind follow each other, those of different kinds overlap. A fault that starts replicas, or changes the
files that a start reads, does so under `scene.files`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from bench.soak.clients import Callers
from bench.soak.journal import Entry
from bench.soak.world import World

Kind = Literal["provider", "trial", "store", "replica", "configuration", "callers"]


@dataclass(slots=True)
class Scene:
    """What a fault acts on. `entry` is its line in the journal, `breaches` the promises that it saw broken."""

    world: World
    callers: Callers
    rng: Random
    files: asyncio.Lock
    entry: Entry
    breaches: list[str] = field(default_factory=list)

    def expect(self, holds: bool, promise: str) -> None:
        if not holds:
            self.breaches.append(f"{self.entry.fault}: {promise}")
            self.world.journal.note("breach", fault=self.entry.fault, promise=promise)


Run = Callable[[Scene, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with its promise. Of one kind each comes as often as its `weight` says; `seconds` are least and most."""

    name: str
    kind: Kind
    promise: str
    seconds: tuple[float, float]
    weight: int
    is_erasing: bool  # only in every second era: the others are to balance to the nano-dollar
    run: Run


FAULTS: dict[str, Fault] = {}


def fault(
    kind: Kind,
    promise: str,
    seconds: tuple[float, float] = (1.0, 4.0),
    weight: int = 1,
    name: str = "",
    is_erasing: bool = False,
) -> Callable[[Run], Run]:
    """Register a fault under the name of its function, or `name`."""

    def register(run: Run) -> Run:
        called = name or run.__name__.replace("_", " ")
        FAULTS[called] = Fault(called, kind, promise, seconds, weight, is_erasing, run)
        return run

    return register
