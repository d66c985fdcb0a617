"""Operator commands on a rollout: carried out on the record that the operator saw, or refused with a reason."""

from gateway.errors import CallerError, EpochConflict, NotFound, StoreAway, StoreRefused
from gateway.rollout.findings import settled
from gateway.rollout.outages import Outages
from gateway.rollout.rollout_records import RolloutRecords
from gateway.rollout.table import Table
from gateway.store.seam import Store
from policies.rollout import verbs
from policies.rollout.rollout import Decision
from policies.rollout.state import State
from policies.rollout.verbs import Command

_TRIES = 2  # the second where only the thresholds were frozen meanwhile, which happens once a step


class NothingToDo(CallerError):
    """The command does not apply to the record as it is."""

    status = 409
    code = "nothing_to_do"


class Commands:
    """The way of people's commands to the records, by the same commit as the controller's decisions."""

    def __init__(self, store: Store, table: Table, records: RolloutRecords, outages: Outages) -> None:
        self._store = store
        self._table = table
        self._records = records
        self._outages = outages

    async def act(self, agent: str, epoch: int, command: Command) -> State:
        """Carry out a person's command; return the record that it made.

        Raises EpochConflict when the record has moved on from the epoch that the person saw, NothingToDo when the
        command makes no sense where the rollout stands, StoreAway.
        """
        for _ in range(_TRIES):
            decision = await self._decide(agent, epoch, command)
            if await self._commit(agent, decision):
                return self._table.seen(agent) or decision.state
        raise EpochConflict(f"another change came first: {agent} is no longer at epoch {epoch}")

    async def _decide(self, agent: str, epoch: int, command: Command) -> Decision:
        """Apply the command to the record as the store has it now."""
        snapshot, entry = await self._store.snapshot(agent), self._table.entry(agent)
        state = snapshot.state
        if state is None or entry is None:
            raise NotFound(f"there is no record of an agent {agent!r}")
        if not _is_as_seen(state, epoch):
            self._records.turn(agent, state)  # what the person is shown next must not be older than this
            raise EpochConflict(f"{agent} is at epoch {state.epoch}, not {epoch}: {state.reason}")
        try:
            decision = verbs.act(state, entry.intent, command, snapshot.now)
        except verbs.Refused as refused:
            raise NothingToDo(f"{agent}: {refused}") from None
        return settled(decision, entry.with_state(state), snapshot)

    async def _commit(self, agent: str, decision: Decision) -> bool:
        """Commit the decision; once more after a refusal, which has done nothing: the store was dialled anew since."""
        try:
            try:
                return await self._records.commit(agent, decision)
            except StoreRefused:
                return await self._records.commit(agent, decision)
        except StoreRefused as error:
            self._outages.note(agent, error)
            raise
        except StoreAway as error:
            unknown = "it may have been done: look at the status before you repeat it"
            raise StoreAway(f"{error.message}; {unknown}") from error


def _is_as_seen(state: State, epoch: int) -> bool:
    """Return whether the record is what a person saw at that epoch: nothing but the freezing of thresholds came after
    it.

    Every commit is one epoch, so where the last one froze, all else is as it was before it.
    """
    return state.epoch == epoch or (state.epoch == epoch + 1 and state.action == "freeze")
