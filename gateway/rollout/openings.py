"""Beginnings that many calls share: a template, a cron job, a newcomer's curl.

By its opening each of them would be one unit, and its agent's split no split. One id for everybody is one unit, and is
said. Counts of the most frequent ones are enough (Misra and Gries, 1982); they fade, and their number is bounded.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

SHARED_FROM = 10  # calls with one beginning, within some minutes
FADED_BELOW = 3  # such a beginning is shared until its count has faded below this
FADE_SECONDS = 600.0  # after so long all counts are halved
MOST_OPENINGS = 1_000  # of one agent: 150 kB
SAID_FROM = 0.1  # of the calls that seem to begin a conversation have one id: then the status says so
_SAID_CALLS = 20


@dataclass(slots=True)
class _OpeningCounts:
    """Counts of one agent's `calls` that seem to begin a conversation: `counts` by opening, `ids` by a client's id.

    An id has the length of its last history beside its count. `histories` counts those that nobody here has begun.
    """

    counts: dict[str, int] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    histories: dict[str, int] = field(default_factory=dict)
    ids: dict[int, tuple[int, int]] = field(default_factory=dict)
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
        found = self._faded_counts_of(agent)
        count = found.histories.get(history, 0)
        if not count and len(found.histories) >= self._most:
            found.histories = _lowered(found.histories)
            return
        found.histories[history] = count + 1
        if count + 1 >= SHARED_FROM:
            found.shared.add(history)

    def note_id(self, agent: str, caller: str, name: str, length: int) -> None:
        """Count a call with a client's id and so many items, unless the id's last call had fewer: then it goes on."""
        found = self._faded_counts_of(agent)
        key = hash((caller, name))  # an id may be long
        count, last = found.ids.get(key, (0, length))
        if length > last:
            found.ids[key] = (count, length)
            return
        found.calls += 1
        if count or len(found.ids) < self._most:
            found.ids[key] = (count + 1, length)
        else:
            found.ids = {each: (count - 1, last) for each, (count, last) in found.ids.items() if count > 1}

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

    def _faded_counts_of(self, agent: str) -> _OpeningCounts:
        found = self._agents.get(agent) or self._counts_of(agent)
        if self._now() >= found.fades_at:
            self._fade(found)
        return found

    def _fade(self, found: _OpeningCounts) -> None:
        found.fades_at = self._now() + FADE_SECONDS
        found.calls //= 2
        found.counts, found.histories = _halved(found.counts), _halved(found.histories)
        found.ids = {each: (count // 2, last) for each, (count, last) in found.ids.items()}
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
    most = max((count for count, _ in found.ids.values()), default=0)
    share = most / max(found.calls, most, 1)
    if most < _SAID_CALLS or share < SAID_FROM:
        return ""
    return (
        f"{share:.0%} of the calls that seem to begin a conversation carry one id and so are one conversation, on "
        "one version; send another id with each conversation, or none"
    )


def _lowered(counts: dict[str, int]) -> dict[str, int]:
    return {each: count - 1 for each, count in counts.items() if count > 1}


def _halved(counts: dict[str, int]) -> dict[str, int]:
    return {each: count // 2 for each, count in counts.items() if count > 1}
