"""Decides on an agent's evidence: at once when its canary has failed, and on a quiet look once in a while.

Any replica may judge at any time, because a decision is committed by comparing epochs. On the quiet look one replica is
enough, so it takes the agent's lease first; a lease that lies costs nothing but a look too many.
"""

from gateway.errors import StoreAway
from gateway.rollout.evidence_notes import EvidenceNotes
from gateway.rollout.findings import ends_step, evidence_of, findings_of, settled, thresholds_of
from gateway.rollout.reasons import with_reasons
from gateway.rollout.steady_time import SteadyTime
from gateway.rollout.table import Entry, Table
from gateway.store.seam import Batch, FlushReply, Sides, Snapshot, Store
from gateway.timings import USUAL
from policies.rollout import rollout
from policies.rollout.rollout import CONTROLLER, Decision


class Judge:
    """The judge of one replica. It returns what it decides, None where there is nothing to decide."""

    def __init__(
        self, store: Store, table: Table, lease_seconds: float = USUAL.lease, steady: SteadyTime | None = None
    ) -> None:
        self._store = store
        self._steady = steady or SteadyTime()
        self._table = table
        self._lease_seconds = lease_seconds
        self._looked: dict[str, Snapshot] = {}
        self.notes = EvidenceNotes(store)

    def watched(self) -> list[str]:
        """The agents with a canary that is, or was until lately, on trial."""
        entries = {agent: self._table.entry(agent) for agent in self._table}
        watched = [
            agent
            for agent, entry in entries.items()
            if entry and entry.state and entry.state.canary and entry.state.weight
        ]
        self._looked = {agent: self._looked[agent] for agent in watched if agent in self._looked}
        return watched

    def latest(self, agent: str) -> Snapshot | None:
        """Return what this replica's latest look at the trial has read; None where the latest look is not its own."""
        return self._looked.get(agent)

    async def look(self, agent: str) -> Decision | None:
        """Judge a trial that nothing bad has drawn attention to: what it costs, whether it may go on. Raises
        StoreAway."""
        entry = self._table.entry(agent)
        self._looked.pop(agent, None)
        if entry is None or not await self._is_to_look(agent, entry):
            return None
        snapshot = self._looked[agent] = await self._store.snapshot(agent)
        entry = self._table.entry(agent)
        if entry is None or entry.state is None or snapshot.state != entry.state:
            return None
        if entry.on_trial and not entry.state.frozen and (frozen := thresholds_of(entry, snapshot)):
            reason = f"thresholds taken from {entry.intent.stable.version}"
            changes = {"action": "freeze", "actor": CONTROLLER, "reason": reason, "frozen": frozen}
            return rollout.change(entry.state, snapshot.now, **changes)
        decision = self._decide(entry, snapshot.sides, snapshot.now, snapshot)
        return await self._complete(agent, decision, entry, snapshot)

    async def judge_counts(self, agent: str, batch: Batch, reply: FlushReply) -> Decision | None:
        """Judge by what a flush has brought back: with a failure of the canary that is both arms' evidence. Raises
        StoreAway."""
        entry = self._table.entry(agent)
        if entry is None or entry.state is None or entry.state.evidence != batch.evidence or reply.sides is None:
            return None
        decision = self._decide(entry, reply.sides, reply.now)
        return await self._complete(agent, decision, entry)

    async def _complete(
        self, agent: str, decision: Decision | None, entry: Entry, snapshot: Snapshot | None = None
    ) -> Decision | None:
        """Return the decision with what the ended step has shown, and a rollback with why calls failed."""
        if decision is None:
            return None
        decision = await settle(self._store, agent, decision, entry, snapshot)
        return await with_reasons(self._store, agent, decision)

    def _decide(self, entry: Entry, sides: Sides, now: float, snapshot: Snapshot | None = None) -> Decision | None:
        if entry.state is None:
            return None
        findings = findings_of(entry, evidence_of(entry.state, sides))
        state = self._steady.settle(entry.agent.name, entry.state, now)
        decision = rollout.decide(state, entry.intent, findings, now)
        if decision or snapshot:
            self.notes.take(entry, findings, now, decided=decision is not None, snapshot=snapshot)
        return decision

    async def _is_to_look(self, agent: str, entry: Entry) -> bool:
        """Return whether this replica holds the lease, or nobody can say who does.

        A replica whose files are not those of the rollout takes no lease: it would keep it from one that can go on.
        """
        if entry.state is None or not entry.state.serves(entry.intent):
            return True
        try:
            return await self._store.lease(agent, self._lease_seconds)
        except StoreAway:
            return True


async def settle(
    store: Store, agent: str, decision: Decision, entry: Entry, snapshot: Snapshot | None = None
) -> Decision:
    """Return the decision with what the step that it ends has shown, if it ends one. Raises StoreAway."""
    if not ends_step(decision, entry.state):
        return decision
    return settled(decision, entry, snapshot or await store.snapshot(agent))
