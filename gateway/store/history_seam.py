"""The store's operations on counts over time and on costs: a part of `gateway.store.seam.Store`."""

from collections.abc import Mapping
from typing import Protocol

from gateway.store.costs import DayCosts
from gateway.store.intervals import GuardrailValues, Intervals


class HistoryStore(Protocol):
    """Counts over time and costs. What they read was written with a flush."""

    async def history(self, agent: str, since: float, until: float, seconds: int) -> Intervals:
        """Return what was counted from one time to another (Unix seconds), by intervals of that many seconds.

        Kept are 10 seconds for an hour, 60 and 300 for 26 hours, 3600 for 31 days. Raises ValueError for others.
        """

    async def note_evidence(self, agent: str, guardrails: Mapping[str, GuardrailValues]) -> None:
        """Keep the evidence against these guardrails, by their texts, for the curves: one point a minute."""

    async def costs(self, agent: str, first: int, last: int) -> list[DayCosts]:
        """Return what calls have cost on these days (UTC, since 1970), at most 400, those without a call left out."""
