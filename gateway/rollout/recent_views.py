"""The views of many agents within milliseconds: those in memory are shown, and renewed while nobody waits for it.

A view is built from reads of the store and the evidence of a trial, which takes milliseconds. A few agents are read at
each look. Of many, views some seconds old are shown; `read_at` in each says when it was read. An agent whose record or
configuration has changed is read at once. The views of very many are renewed also while nobody looks, some a second, so
that the first look after a night finds them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from gateway.rollout.status_view import AgentView
from gateway.rollout.table import Entry, Table

FEW = 8  # agents are always read anew
FRESH_SECONDS = 0.02  # for each agent: after so long a view is renewed, without being waited for
STALE_SECONDS = 0.1  # for each agent: a view that is older is not shown
MOST_STALE_SECONDS = 30.0
_PATIENCE_SECONDS = 0.5  # a store that is slower than this is not waited for: what was last read is shown
_AT_ONCE = 32
VERY_MANY = 25  # agents whose views together take longer to build than somebody should wait
KEPT_SECONDS = 0.075  # for each agent: after so long a view is renewed that nobody looks at
MOST_A_SECOND = 14  # are renewed while nobody looks: a hundredth or two of a processor's time


@dataclass(frozen=True, slots=True)
class _Built:
    """A view, the entry of the table that it was built under, and when (seconds of the monotonic clock)."""

    view: AgentView
    entry: Entry
    at: float


class RecentViews:
    """The latest view of each agent. `read` reads an agent from the store, `build` builds its view from that.

    `glance` is as `read`, of what may be some seconds old.
    """

    def __init__(
        self,
        table: Table,
        read: Callable[[str], Awaitable[None]],
        build: Callable[[str, Entry], AgentView],
        now: Callable[[], float] = monotonic,
        glance: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._table = table
        self._read = read
        self._build = build
        self._glance = glance or read
        self._now = now
        self._built: dict[str, _Built] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def agents(self, names: Sequence[str]) -> dict[str, AgentView]:
        """Return the views of those agents, by name; without those that the table does not know."""
        asked = [name for name in dict.fromkeys(names) if name in self._table]
        count = len(asked) if len(asked) > FEW else 0
        read = self._glance if count else self._read
        await self._renew(self._older(asked, min(STALE_SECONDS * count, MOST_STALE_SECONDS)), read)
        later = self._older(asked, FRESH_SECONDS * count) if count else []
        if later and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.create_task(self._renew(later, read))
        return {name: built.view for name in asked if (built := self._built.get(name)) is not None}

    async def keep_fresh_for_ever(self) -> None:
        """Renew the views of very many agents, the oldest first, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            await self.keep_fresh()

    async def keep_fresh(self) -> None:
        """Renew some of the oldest views, where there are so many that building all takes long."""
        names = list(self._table)
        if len(names) < VERY_MANY:
            return
        older = self._older(names, min(KEPT_SECONDS * len(names), MOST_STALE_SECONDS))
        older.sort(key=lambda name: built.at if (built := self._built.get(name)) else -1.0)
        await self._renew(older[:MOST_A_SECOND], self._glance)

    def _older(self, names: Iterable[str], seconds: float) -> list[str]:
        """Return the agents without a view that is younger than that, under the entry that holds now."""
        now = self._now()
        return [name for name in names if not self._is_younger(name, now, seconds)]

    def _is_younger(self, name: str, now: float, seconds: float) -> bool:
        built = self._built.get(name)
        return built is not None and built.entry is self._table.entry(name) and now - built.at < seconds

    async def _renew(self, names: Sequence[str], read: Callable[[str], Awaitable[None]]) -> None:
        with suppress(TimeoutError):
            for first in range(0, len(names), _AT_ONCE):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await asyncio.gather(*(read(name) for name in names[first : first + _AT_ONCE]))
        for name in names:
            if (entry := self._table.entry(name)) is not None:
                self._built[name] = _Built(self._build(name, entry), entry, self._now())
            if len(names) > FEW:
                await asyncio.sleep(0)  # calls go on between two views
        for name in [name for name in self._built if name not in self._table]:
            del self._built[name]
