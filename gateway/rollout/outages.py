"""The reaction of this replica to an outage of the store: note lost records, spare clients a bad canary, recover.

What goes wrong with one agent never holds up another.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from gateway.errors import StoreAway
from gateway.logs import Log
from gateway.rollout.flusher import Flusher
from gateway.rollout.quarantine import is_proven, sole_prover
from gateway.rollout.rollout_records import RolloutRecords
from gateway.rollout.store_health import EVERY_AGENT, Reach
from gateway.rollout.table import Table
from gateway.store.schema import StoreAhead
from gateway.store.seam import Store

_AT_ONCE = 24  # agents; fewer than the store lets through, so that nobody's time runs out in a queue there


class Outages:
    """The outages of the store as one replica bears them, agent by agent."""

    def __init__(self, store: Store, table: Table, records: RolloutRecords, flusher: Flusher, log: Log) -> None:
        self._store = store
        self._table = table
        self._records = records
        self._flusher = flusher
        self._log = log
        self._reach = Reach(log)
        self._places = asyncio.Semaphore(_AT_ONCE)

    @property
    def store_ok(self) -> bool:
        """Return whether every agent's record could be reached when last asked for."""
        return self._reach.ok

    @property
    def store_error(self) -> str | None:
        """Return why a record could not be reached or changed, None while all is well."""
        return self._reach.why

    def keep(self, agents: Iterable[str]) -> None:
        """Forget all agents but these."""
        self._reach.keep(agents)

    @asynccontextmanager
    async def bear(self, agent: str) -> AsyncIterator[None]:
        """Run the body in one of the few places; where the store is away, note that, and let the next try follow.

        Only writes tell that the store is back: a server that is full or was demoted goes on to answer reads.
        """
        try:
            async with self._places:
                yield
                if self._reach.is_lost(agent):
                    await self._store.probe(agent or next(iter(self._table), EVERY_AGENT))
        except StoreAway as error:
            self.note(agent, error)
            return
        if self._reach.found(agent):
            self._records.distrust_all()

    def note(self, agent: str, error: StoreAway) -> None:
        """Note that the agent's record could not be reached or changed."""
        self._records.distrust(agent)
        self._reach.lost(agent, error)
        if isinstance(error, StoreAhead):
            self._table.quarantine(agent)  # the newer release may have rolled the canary back
        else:
            self._quarantine(agent)

    def _quarantine(self, agent: str) -> None:
        """Send this replica's calls to stable if its own counts prove the canary bad, while no common decision is
        possible; the calls of one party alone, if only that one's do."""
        entry = self._table.entry(agent)
        if entry is None or not entry.on_trial or entry.state is None:
            return
        unflushed = self._flusher.unflushed(agent, entry.state.evidence)
        weights = {entry.state.evidence: entry.state.weight, **dict(entry.state.earlier)}
        if is_proven(weights, unflushed):
            self._table.quarantine(agent)
            self._log.warning("quarantine", agent=agent, epoch=entry.state.epoch)
        elif (party := sole_prover(weights, unflushed)) and party not in entry.excluded:
            self._table.exclude(agent, party)
            callers = self._records.callers.get(party)
            self._log.warning("excluded_here", agent=agent, epoch=entry.state.epoch, party=party, callers=callers)
