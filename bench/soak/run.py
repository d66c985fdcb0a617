"""A run: eras of traffic under faults, each followed by a rest in which the books are compared."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import time
from typing import Any

from bench.soak.clients import Callers
from bench.soak.faults import Scene
from bench.soak.journal import Entry
from bench.soak.plan import GAPS, Lane
from bench.soak.provider_faults import USUAL, model_of
from bench.soak.settings import TARGETS, TRIAL
from bench.soak.world import REPLICAS, World, world
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.stored import stored

ERA_SECONDS = 100.0
CALLERS = 10
STRUCK_PART = 0.5  # of the eras have faults of replicas; in the others both live on, so that their memory is judged
REST_SECONDS = 30.0  # until the store must have all
STALL_SECONDS = 0.15
_BEAT_SECONDS = 0.05
_SHORT = 60.0  # seconds; a shorter run draws its faults faster
_SPENDS_USD = 0.00012  # a second: about half of what the callers of `capped` would spend


@dataclass(frozen=True, slots=True)
class Era:
    """Times of an era's traffic, and what the store had at its rest: totals, and what they were before."""

    since: float
    until: float
    before: dict[str, Any]
    total: dict[str, Any]
    settled: bool


@dataclass(slots=True)
class Ran:
    """What a run leaves behind, beside logs and journal."""

    seed: int
    world: World
    callers: Callers
    budget_usd: float
    eras: list[Era] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    audit: list[Any] = field(default_factory=list)
    stored: bytes = b""


async def run(folder: Path, seed: int, seconds: float) -> Ran:
    """Run for that long. Everything has ended when it returns."""
    budget_usd = round(_SPENDS_USD * seconds, 6)
    async with world(folder, budget_usd) as made:
        ran = Ran(seed, made, Callers(made, seed), budget_usd)
        for target in TARGETS:
            made.standin.behave(model_of(target), ModelBehaviour(**USUAL))
        lanes = [Lane(kind, seed, min(1.0, max(0.15, seconds / _SHORT / 4))) for kind in GAPS]
        count = max(2, round(seconds / ERA_SECONDS))
        for number in range(count):
            await _live(ran, lanes, seconds / count, number, is_quiet=number >= max(2, count * STRUCK_PART))
        await _look(ran)
        for name in REPLICAS:
            await made.end(name)
    return ran


async def _live(ran: Ran, lanes: Sequence[Lane], seconds: float, number: int, is_quiet: bool) -> None:
    """One era; no replica is struck in a quiet one."""
    made, over, since = ran.world, asyncio.Event(), time()
    before = ran.eras[-1].total if ran.eras else await _total(made)
    rngs = [Random(f"{ran.seed} {number} {each}") for each in range(CALLERS)]
    calling = [asyncio.create_task(ran.callers.call_on(rng, over)) for rng in rngs]
    files = asyncio.Lock()
    chosen = [lane for lane in lanes if lane.kind != "replica" or not is_quiet]
    striking = [asyncio.create_task(_strike(ran, lane, files, over, number % 2 == 1)) for lane in chosen]
    watching = [asyncio.create_task(_sample(ran)), asyncio.create_task(_note_stalls(ran))]
    await asyncio.sleep(seconds)
    over.set()
    await asyncio.gather(*striking, *calling)
    for task in watching:
        task.cancel()
    total, settled = await _settle(ran)
    ran.eras.append(Era(since, time(), before, total, settled))
    made.journal.note("era", since=since, calls=total.get("calls"), cost=total.get("cost_usd"), settled=settled)


async def _strike(ran: Ran, lane: Lane, files: asyncio.Lock, over: asyncio.Event, may_erase: bool) -> None:
    """Faults of one lane, one after the other, until it is over; the one that is under way is mended."""
    while True:
        due = lane.draw(may_erase)
        try:
            async with asyncio.timeout(due.after):
                await over.wait()
            return
        except TimeoutError:
            pass
        with ran.world.journal.keep(due.fault.name, due.fault.kind) as entry:
            scene = Scene(ran.world, ran.callers, Random(due.seed), files, entry, ran.breaches)
            await due.fault.run(scene, due.seconds)


async def _sample(ran: Ran) -> None:
    while True:
        ran.world.sample(len(ran.callers.results))
        await asyncio.sleep(1.0)


async def _note_stalls(ran: Ran) -> None:
    """Note when this process, and the provider in it, got no time: a machine that others share is a fault, too."""
    while True:
        due = time() + _BEAT_SECONDS
        await asyncio.sleep(_BEAT_SECONDS)
        if (now := time()) - due > STALL_SECONDS:
            ran.world.journal.entries.append(Entry("machine stalled", "machine", "", due, now))
            ran.world.journal.note("machine stalled", since=due, seconds=round(now - due, 3))


async def _settle(ran: Ran) -> tuple[dict[str, Any], bool]:
    """Wait until the store's totals stand still for a second, and every replica says that it reaches the store."""
    deadline, same = time() + REST_SECONDS, 0
    last: dict[str, Any] = {}
    while time() < deadline:
        total = await _total(ran.world)
        same = same + 1 if total == last and await _all_reach(ran.world) else 0
        if same >= 4:
            ran.world.sample(len(ran.callers.results))
            return total, True
        last = total
        await asyncio.sleep(0.3)
    return last, False


async def _all_reach(made: World) -> bool:
    replies = [await made.ask_at(each, "GET", "/status") for each in made.current.values()]
    return all(reply["gateway"]["store"]["ok"] for reply in replies)


async def _total(made: World) -> dict[str, Any]:
    """Calls, tokens and cost that the store has, over all."""
    return dict((await made.ask("GET", "/costs?since=2d&by=agent"))["total"])


async def _look(ran: Ran) -> None:
    """Take with us what only running replicas can tell."""
    ran.stored = await stored(ran.world.store.url)
    ran.audit = list(reversed((await ran.world.ask("GET", f"/audit/{TRIAL}?all=true"))["events"]))
