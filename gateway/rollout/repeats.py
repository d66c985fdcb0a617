"""Counts of bad calls by unit, as far as this replica has seen: the 4th and the 16th are events of their own.

A unit whose calls spread over replicas has such an event later than it might, on either arm alike. The store counts it
once.
"""

from collections import OrderedDict

from policies.evidence.evidence import REPEATS

MOST_COUNTED = 50_000  # units and kinds of bad calls, over all agents: some 12 MB
_LAST = max(REPEATS)  # nothing is bet on more


class Repeats:
    """Counts of bad calls. With too many of them the agent that has most forgets the one that was bad least lately."""

    def __init__(self, most: int = MOST_COUNTED) -> None:
        self._most = most
        self._counted = 0
        self._counts: dict[str, OrderedDict[tuple[int, str, str], int]] = {}

    def add(self, agent: str, step: int, component: str, unit: str) -> int:
        """Count a bad call of a unit that began in that step. Return how many there were, 0 beyond the last of note."""
        counts = self._counts.setdefault(agent, OrderedDict())
        key = (step, component, unit)
        times = counts.get(key, 0) + 1
        if times > 1:
            counts[key] = min(times, _LAST)
            counts.move_to_end(key)
            return times if times <= _LAST else 0
        counts[key] = times
        self._counted += 1
        if self._counted > self._most:
            max(self._counts.values(), key=len).popitem(last=False)
            self._counted -= 1
        return times

    def __len__(self) -> int:
        return self._counted
