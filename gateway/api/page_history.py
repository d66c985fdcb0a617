"""The history behind the curves of a page, read at most every few seconds, however many look at it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from time import time

from gateway.errors import StoreAway
from gateway.history.curves import build_history, choose_step, interval_of
from gateway.history.view import HistoryView
from gateway.store.seam import Store

# By the name of a span: how long it is, and the step from point to point (seconds).
SPANS: Mapping[str, tuple[int, int]] = {
    "15m": (900, 10),
    "1h": (3600, 60),
    "6h": (6 * 3600, 300),
    "24h": (24 * 3600, 900),
    "7d": (7 * 24 * 3600, 3 * 3600),
    "30d": (30 * 24 * 3600, 6 * 3600),
}
_FRESH_SECONDS = 5.0  # curves need not move more often; those of long steps less often still
_FRESH_PARTS = 60  # of a step
_MOST_FRESH_SECONDS = 60.0
_PATIENCE_SECONDS = 0.5  # a store that is slower than this is not waited for: what was last read is shown
_MOST = 64  # histories in memory, of some 100 kB each


class PageHistory:
    """The latest histories, by agent and span."""

    def __init__(self, store: Store, now: Callable[[], float] = time) -> None:
        self._store = store
        self._now = now
        self._read: dict[tuple[str, str], tuple[float, HistoryView]] = {}

    async def of(self, agent: str, span: str) -> HistoryView | None:
        """Return an agent's history over that span; the last that was read while the store is away, None without."""
        key, now = (agent, span), self._now()
        known = self._read.get(key)
        fresh = min(max(_FRESH_SECONDS, SPANS[span][1] / _FRESH_PARTS), _MOST_FRESH_SECONDS)
        if known is None or not 0 <= now - known[0] < fresh:
            with suppress(StoreAway, TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    known = self._read[key] = (now, await self._look(agent, *SPANS[span], now))
            while len(self._read) > _MOST:
                del self._read[next(iter(self._read))]
        return known[1] if known else None

    async def usual(self, agent: str) -> tuple[str, HistoryView | None]:
        """Return the span that shows most where nobody chose one, and the history over it."""
        past = await self.of(agent, "1h")
        if past is not None and _is_young(past, self._now()):
            return "15m", await self.of(agent, "15m")
        return "1h", past

    async def _look(self, agent: str, seconds: int, step: int, now: float) -> HistoryView:
        step = choose_step(seconds, seconds, step)
        since = now - seconds
        intervals = await self._store.history(agent, since, now, interval_of(step, seconds))
        return await build_history(agent, intervals, step, since, now)


def _is_young(past: HistoryView, now: float) -> bool:
    """Return whether all that there is lies within the last quarter of an hour."""
    firsts = [series.points[0].at for series in past.series if series.points]
    return bool(firsts) and now - datetime.fromisoformat(min(firsts)).timestamp() < SPANS["15m"][0] - SPANS["1h"][1]
