"""Openings that many calls without history share: a template, a cron job, a newcomer's curl.

By their fingerprint all of these calls would be one unit, and their agent's split no split. Counts of the most
frequent openings are enough (Misra and Gries, 1982); they fade, and their number is bounded.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

SHARED_FROM = 10  # calls without history with one opening, within some minutes
FADED_BELOW = 3  # such an opening is shared until its count has faded below this
FADE_SECONDS = 600.0  # after so long all counts are halved
MOST_OPENINGS = 1_000  # of one agent: 150 kB


@dataclass(slots=True)
class _OpeningCounts:
    counts: dict[str, int] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    calls: int = 0
    fades_at: float = 0.0


class SharedOpenings:
    """The openings of one replica's agents."""

    def __init__(self, now: Callable[[], float], most: int = MOST_OPENINGS) -> None:
        self._now = now
        self._most = most
        self._agents: dict[str, _OpeningCounts] = {}

    def note(self, agent: str, opening: str) -> bool:
        """Count a call without history; return whether many share its opening."""
        found = self._agents.get(agent)
        if found is None:
            found = self._agents[agent] = _OpeningCounts(fades_at=self._now() + FADE_SECONDS)
        found.calls += 1
        if found.calls % SHARED_FROM == 0 and self._now() >= found.fades_at:
            self._fade(found)
        count = found.counts.get(opening, 0)
        if count or len(found.counts) < self._most:
            found.counts[opening] = count + 1
        else:
            found.counts = {each: count - 1 for each, count in found.counts.items() if count > 1}
        if count + 1 >= SHARED_FROM:
            found.shared.add(opening)
        return opening in found.shared

    def sentence(self, agent: str) -> str | None:
        """Return what an operator should know about the agent's openings; None where nothing is to be said."""
        found = self._agents.get(agent)
        if found is not None and self._now() >= found.fades_at:
            self._fade(found)  # also where no call is counted any more, because calls now have names
        if found is None or not found.shared:
            return None
        calls = sum(found.counts.get(opening, 0) for opening in found.shared)
        number = "the same words" if len(found.shared) == 1 else f"one of {len(found.shared)} openings"
        share = calls / max(found.calls, calls)
        return (
            f"{share:.0%} of the calls without history begin with {number}; each is assigned by weight as its own "
            "conversation; send the header x-conversation-id to keep conversations together"
        )

    def _fade(self, found: _OpeningCounts) -> None:
        found.fades_at = self._now() + FADE_SECONDS
        found.calls //= 2
        found.counts = {opening: count // 2 for opening, count in found.counts.items() if count > 1}
        found.shared = {opening for opening in found.shared if found.counts.get(opening, 0) >= FADED_BELOW}
