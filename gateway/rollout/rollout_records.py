"""Records and table of this replica, kept together: read, reconciled, committed, and applied.

The store's epoch compare-and-set makes a commit right; all else only saves work. A record that the store has lost is
put back as it was seen.
"""

from collections.abc import Callable, Mapping

from gateway.logs import Log
from gateway.rollout.history import History
from gateway.rollout.judge import settle
from gateway.rollout.status_words import main_reason
from gateway.rollout.steady_time import SteadyTime
from gateway.rollout.table import Table
from gateway.store.memory import Memory
from gateway.store.seam import Store
from gateway.telemetry.call_counts import CallCounts
from policies.rollout import rollout
from policies.rollout.rollout import Decision
from policies.rollout.state import State
from routing.chain import Target

_STEPS_TO_AGREE = 5  # a lost commit is read again; more often than this and the next poll goes on


class RolloutRecords:
    """The records as one replica follows them. `on_trial` is told of a canary's target when its evidence begins anew.

    `config_digest` names the configuration that decisions are based on, `callers` those in each party.
    """

    def __init__(
        self,
        store: Store,
        table: Table,
        memory: Memory,
        log: Log,
        on_trial: Callable[[Target], None],
        counts: CallCounts,
    ) -> None:
        self.config_digest = ""
        self.page_root = ""  # the address of the status pages, for log lines
        self.callers: Mapping[str, str] = {}
        self.steady = SteadyTime()
        self._store = store
        self._table = table
        self._memory = memory
        self._log = log
        self._on_trial = on_trial
        self._counts = counts
        self._history = History(store, table, memory)
        self._unread: set[str] = set()

    def keep_configured(self) -> None:
        """Forget the agents that have left the configuration."""
        self._unread &= set(self._table)

    def distrust(self, agent: str) -> None:
        """Read the agent's record whole next time, whatever its epoch."""
        self._unread.add(agent)

    def distrust_all(self) -> None:
        """Read every record whole after an outage: an epoch alone does not tell two histories apart."""
        self._unread.update(self._table)
        self._history.compare_again()

    def is_at(self, agent: str, epoch: int) -> bool:
        """Return whether the table holds the agent's record of that epoch."""
        seen = self._table.seen(agent)
        return seen is not None and seen.epoch == epoch

    def is_behind(self, agent: str, epoch: int) -> bool:
        """Return whether the agent's record, which is at that epoch in the store, must be read."""
        return agent in self._unread or not self.is_at(agent, epoch)

    async def reconcile(self, agent: str) -> bool:
        """Bring the record to what the configuration wants, or back to what was seen; return whether it is there.

        Raises StoreAway.
        """
        for _ in range(_STEPS_TO_AGREE):
            state, now = await self._store.read(agent)
            entry = self._table.entry(agent)
            if entry is None:
                return True
            if lost := await self._history.find_lost(agent, state):
                await self.commit(agent, rollout.restore(lost, state, now))
                continue
            decision = rollout.reconcile(state, entry.intent, now)
            if decision is None:
                self.turn(agent, state, now)
                return True
            await self.commit(agent, await settle(self._store, agent, decision, entry.with_state(state)))
        return False

    async def catch_up(self, agent: str) -> None:
        """Take the record as it stands; put it back where the store has lost it. Raises StoreAway."""
        state, now = await self._store.read(agent)
        self._unread.discard(agent)
        if state is None or await self._history.find_lost(agent, state):
            await self.reconcile(agent)
            return
        self.turn(agent, state, now)

    async def commit(self, agent: str, decision: Decision) -> bool:
        """Commit, turn the table, then announce: only the winner does. Return whether this replica won.

        Raises StoreAway when that is not known; then the record is read again before anything else is decided.
        """
        committed = await self._store.commit(agent, decision, self.config_digest)
        self.turn(agent, committed.state)
        if committed.won:
            state = decision.state
            self._counts.decide(agent, state.action)
            self._log.warning(
                "decision", agent=agent, action=state.action, epoch=state.epoch, phase=state.phase,
                weight=state.weight, actor=state.actor, reason=state.reason,
                most_often=main_reason(decision.evidence) or None, page=f"{self.page_root}/status/{agent}",
            )  # fmt: skip
            if state.action == "exclude":
                party = state.excluded[-1]
                self._log.warning("excluded", agent=agent, party=party, callers=self.callers.get(party))
        return committed.won

    def turn(self, agent: str, state: State | None, now: float | None = None) -> None:
        """Turn the table to that record, unless there is none or the table holds a newer one.

        `now` is the store's clock; a record that was just committed says it itself.
        """
        if state is None or not self._table.turn(agent, state):
            return
        self.steady.see(agent, state, state.changed_at if now is None else now)
        self._memory.note(agent, state)
        self._log.info(
            "record_applied",
            agent=agent,
            epoch=state.epoch,
            phase=state.phase,
            weight=state.weight,
            action=state.action,
        )
        entry = self._table.entry(agent)
        if entry and entry.split.canary:
            self._on_trial(entry.split.canary.target)
