"""Beginnings that many calls share: a template, a cron job, a newcomer's curl, one id for everybody.

By its opening or its id each of them would be one unit, and its agent's split no split. Counts of the most
frequent ones are enough (Misra and Gries, 1982); they fade, and their number is bounded.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

SHARED_FROM = 10  # calls with one beginning, within some minutes
FADED_BELOW = 3  # such a beginning is shared until its count has faded below this
FADE_SECONDS = 600.0  # after so long all counts are halved
MOST_OPENINGS = 1_000  # of one agent: 150 kB
SUSPECTED_FROM = 5  # calls without history with one id: then their openings are counted, too
SAID_FROM = 0.1  # of the calls without history have one id: then the status says so
_SAID_CALLS = 20


@dataclass(slots=True)
class _OpeningCounts:
    """Counts of one agent: `counts` by opening and `ids` by a client's id, of the `calls` without history.

    `histories` counts those that nobody here has begun.
    """

    counts: dict[str, int] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    histories: dict[str, int] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    fades_at: float = 0.0


class SharedOpenings:
    """The beginnings of one replica's agents."""

    def __init__(self, now: Callable[[], float], most: int = MOST_OPENINGS) -> None:
        self._now = now
        self._most = most
        self._agents: dict[str, _OpeningCounts] = {}

    def note(self, agent: str, opening: str) -> int:
        """Count a call without history; return how many had its opening, `SHARED_FROM` at least where it is shared."""
        found = self._agents.get(agent) or self._counts_of(agent)
        found.calls += 1
        if found.calls % SHARED_FROM == 0 and self._now() >= found.fades_at:
            self._fade(found)
        count = found.counts.get(opening, 0)
        if count or len(found.counts) < self._most:
            found.counts[opening] = count + 1
        else:
            found.counts = _lowered(found.counts)
        if count + 1 >= SHARED_FROM:
            found.shared.add(opening)
        return max(count + 1, SHARED_FROM) if opening in found.shared else count + 1

    def note_history(self, agent: str, history: str) -> None:
        """Count an answered call with a history that nobody here has begun."""
        found = self._agents.get(agent) or self._counts_of(agent)
        if self._now() >= found.fades_at:
            self._fade(found)
        count = found.histories.get(history, 0)
        if not count and len(found.histories) >= self._most:
            found.histories = _lowered(found.histories)
            return
        found.histories[history] = count + 1
        if count + 1 >= SHARED_FROM:
            found.shared.add(history)

    def note_id(self, agent: str, name: str) -> bool:
        """Count a call without history that has a client's id; return whether its opening is to be counted, too."""
        found = self._agents.get(agent) or self._counts_of(agent)
        count = found.ids.get(name, 0)
        if count or len(found.ids) < self._most:
            found.ids[name] = count + 1
        else:
            found.ids = _lowered(found.ids)
        if count < SUSPECTED_FROM:
            found.calls += 1
        return count >= SUSPECTED_FROM

    def release_id(self, agent: str, name: str) -> None:
        """Count a call no more that had the id, and yet is a conversation of its own."""
        self._agents[agent].ids[name] -= 1

    def is_shared(self, agent: str, beginning: str) -> bool:
        """Return whether many calls here share the beginning."""
        found = self._agents.get(agent)
        return found is not None and beginning in found.shared

    def sentence(self, agent: str) -> str | None:
        """Return what an operator should know about the agent's openings; None where nothing is to be said."""
        found = self._agents.get(agent)
        if found is None:
            return None
        if self._now() >= found.fades_at:
            self._fade(found)  # also where no call is counted any more, because calls now have names
        return "; ".join(filter(None, (_of_beginnings(found), _of_ids(found)))) or None

    def _counts_of(self, agent: str) -> _OpeningCounts:
        return self._agents.setdefault(agent, _OpeningCounts(fades_at=self._now() + FADE_SECONDS))

    def _fade(self, found: _OpeningCounts) -> None:
        found.fades_at = self._now() + FADE_SECONDS
        found.calls //= 2
        found.counts, found.histories, found.ids = _halved(found.counts), _halved(found.histories), _halved(found.ids)
        counts = (found.counts, found.histories)
        found.shared = {each for each in found.shared if any(count.get(each, 0) >= FADED_BELOW for count in counts)}


def _of_beginnings(found: _OpeningCounts) -> str:
    """Return the share of the calls whose beginning is shared, and the way out."""
    if not found.shared:
        return ""
    histories = sum(found.histories.get(each, 0) for each in found.shared)
    alike = histories + sum(found.counts.get(each, 0) for each in found.shared)
    share = alike / max(found.calls + histories, alike)
    have = "have the same beginning" if len(found.shared) == 1 else f"have one of {len(found.shared)} beginnings"
    return (
        f"{share:.0%} of the calls that begin a conversation {have}; each is assigned by weight as its own "
        "conversation; send the header x-conversation-id to keep conversations together"
    )


def _of_ids(found: _OpeningCounts) -> str:
    """Return the share of the calls that one id makes one conversation, and the way out."""
    most = max(found.ids.values(), default=0)
    share = most / max(found.calls, most, 1)
    if most < _SAID_CALLS or share < SAID_FROM:
        return ""
    return (
        f"{share:.0%} of the calls that begin a conversation carry one id and so are one conversation, on one "
        "version; send another id with each conversation, or none"
    )


def _lowered(counts: dict[str, int]) -> dict[str, int]:
    return {each: count - 1 for each, count in counts.items() if count > 1}


def _halved(counts: dict[str, int]) -> dict[str, int]:
    return {each: count // 2 for each, count in counts.items() if count > 1}
