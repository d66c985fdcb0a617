"""Comparison of the store's records with what this process or its installation has seen of them.

A store may come back empty, older, or as another one. What was rolled back before must then stay so.
"""

from gateway.rollout.table import Table
from gateway.store.memory import Memory
from gateway.store.seam import Store
from policies.rollout.state import State

MOST_EVENTS = 1000  # of an audit trail are read for the comparison; a later record than that is taken as it is
_SLACK = 8  # events that may be appended while it is read


class History:
    """The base for comparing records. Each agent's audit trail is compared once after a start or an outage."""

    def __init__(self, store: Store, table: Table, memory: Memory) -> None:
        self._store = store
        self._table = table
        self._memory = memory
        self._compared: set[str] = set()

    async def find_lost(self, agent: str, found: State | None) -> State | None:
        """Return the record that was seen and that the store has lost; None where the record found goes on from there.

        Raises StoreAway.
        """
        seen = self._newest(agent)
        if seen is not None and lacks(found, seen):
            return seen
        if found is not None and agent not in self._compared:
            if await self._is_other(agent, found):
                return self._memory.state(agent)
            self._compared.add(agent)
        return None

    def compare_again(self) -> None:
        """The store was away and is back: it may be another one."""
        self._compared.clear()

    def _newest(self, agent: str) -> State | None:
        seen, remembered = self._table.seen(agent), self._memory.state(agent)
        if seen is None or (remembered is not None and remembered.epoch > seen.epoch):
            return remembered
        return seen

    async def _is_other(self, agent: str, found: State) -> bool:
        """Return whether the record is later than what was seen, but does not come from it, and forgets a rollback."""
        seen, events = self._memory.state(agent), self._memory.events(agent)
        if seen is None or not events or seen.rolled_back.keys() <= found.rolled_back.keys():
            return False
        epoch, seal = events[-1]
        count = found.epoch - epoch + 1 + _SLACK
        if count > MOST_EVENTS:
            return False
        trail = await self._store.audit(agent, count)
        return not any(event.get("epoch_after") == epoch and event.get("hash") == seal for event in trail)


def lacks(found: State | None, seen: State) -> bool:
    """Return whether the record that was found has lost what was seen: all of it, its latest epochs, or a rollback."""
    if found is None or found.epoch < seen.epoch:
        return True
    return found.epoch == seen.epoch and not seen.rolled_back.keys() <= found.rolled_back.keys()
