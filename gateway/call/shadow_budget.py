"""Daily spend limit for shadow traffic, shared by all replicas (nano-USD).

The store holds each agent's sum of the day (UTC). It is asked by the workers that take copies upstream, never by a
call; while it is away each replica goes by the last sum it knows and by what it has spent itself since.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import StoreAway
from gateway.store.seam import Store

_DEAREST = 10**15  # nano-USD of one copy, a million dollars: beyond any budget, and sums stay within 64 bits


@dataclass(slots=True)
class _Day:
    """An agent's day: the sum that the store last reported, and what is not in it yet."""

    name: str
    known: int = 0
    unpaid: int = 0


class Purse:
    """The purse of one replica. `unix` is the clock, in Unix seconds."""

    def __init__(self, store: Store, unix: Callable[[], float]) -> None:
        self._store = store
        self._unix = unix
        self._days: dict[str, _Day] = {}

    def is_empty(self, agent: str, most: int | None) -> bool:
        """Return whether this replica knows that the agent's `most` nano-USD of today are spent. Asks nobody."""
        day = self._today(agent)
        return most is not None and day.known + day.unpaid >= most

    async def has_left(self, agent: str, most: int | None) -> bool:
        """Return whether all replicas together have spent less than `most` today; None is no limit."""
        if most is not None:
            await self._settle(agent)
        return not self.is_empty(agent, most)

    async def pay(self, agent: str, nano_usd: int) -> None:
        """A copy has cost that much."""
        self._today(agent).unpaid += min(nano_usd, _DEAREST)
        await self._settle(agent)

    def _today(self, agent: str) -> _Day:
        name = datetime.fromtimestamp(self._unix(), UTC).date().isoformat()
        day = self._days.get(agent)
        if day is None or day.name != name:
            day = self._days[agent] = _Day(name)
        return day

    async def _settle(self, agent: str) -> None:
        """Bring in what is unpaid and learn the sum. What may have been brought in is brought in again: rather a copy
        too few than one too many."""
        day = self._today(agent)
        amount, day.unpaid = day.unpaid, 0
        try:
            day.known = max(day.known, await self._store.spend(agent, day.name, amount))
        except StoreAway:
            day.unpaid += amount
