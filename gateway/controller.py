"""Keeps the table and the record together: reconciles a new configuration, decides on the evidence, turns the table.

Every replica runs one. What makes it right is the store's epoch compare-and-set; all else only saves work. Three
things tell a replica that a record has changed: the store's announcement, the epoch in every flush's reply, and a poll
once a second, which is the truth.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.errors import EpochConflict, NotFound, StoreAway
from gateway.flush import Flusher
from gateway.logs import Log
from gateway.recorder import Recorder
from gateway.runtime import Runtime
from gateway.store.seam import Batch, FlushReply, Store, Totals
from gateway.table import Entry, Table
from policies import guardrails, rollout
from policies.guardrails import Evidence
from policies.rollout import Decision, State
from routing.assignment import BUCKETS

FLUSH_SECONDS = 0.1
POLL_SECONDS = 1.0
_STEPS_TO_AGREE = 5  # a lost commit is read again; more often than this and something else is wrong


class Controller:
    """The controller of one replica."""

    def __init__(self, store: Store, table: Table, recorder: Recorder, log: Log) -> None:
        self._store = store
        self._table = table
        self._log = log
        self._flusher = Flusher(store, recorder, self._on_reply)
        self._unreconciled: set[str] = set()
        self._urgent: asyncio.Queue[str] = asyncio.Queue()
        self._config_digest = ""
        self.store_ok = True

    def install(self, runtime: Runtime) -> None:
        """A new configuration is in the table: every agent's record is to follow it."""
        self._config_digest = runtime.digest
        self._unreconciled = set(self._table)

    def hurry(self, agent: str) -> None:
        """Flush this agent at once: its canary has just failed a call."""
        self._urgent.put_nowait(agent)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(FLUSH_SECONDS, self._flusher.flush_all))
            tasks.create_task(self._every(POLL_SECONDS, self.poll))
            tasks.create_task(self._flush_urgent())
            tasks.create_task(self._follow_turns())

    async def finish(self) -> None:
        """A last flush, so that nothing that was counted is lost. Raises StoreAway."""
        await self._flusher.flush_all()

    async def poll(self) -> None:
        """Read every agent's epoch and catch up where the record has moved. Raises StoreAway."""
        await self.reconcile()
        epochs = await self._store.epochs(list(self._table))
        for agent, epoch in epochs.items():
            seen = self._table.seen(agent)
            if seen is None or seen.epoch != epoch:
                await self._catch_up(agent)

    async def reconcile(self) -> None:
        """Make the records follow the configuration that was last installed. Raises StoreAway."""
        for agent in list(self._unreconciled):
            await self._reconcile(agent)
            self._unreconciled.discard(agent)

    async def retry(self, agent: str, epoch: int, actor: str, reason: str) -> State:
        """Put a rolled-back canary on trial again. Raises EpochConflict when the record has moved on, StoreAway."""
        state, now = await self._store.read(agent)
        entry = self._table.entry(agent)
        if state is None or entry is None:
            raise NotFound(f"there is no record of an agent {agent!r}")
        if state.epoch != epoch:
            raise EpochConflict(f"{agent} is at epoch {state.epoch}, not {epoch}: {state.reason}")
        decision = rollout.retry(state, entry.intent, actor, reason, now)
        if decision is None:
            raise EpochConflict(f"nothing to retry: {agent} is {state.phase or 'without a canary'}")
        if not await self._commit(agent, decision):
            raise EpochConflict(f"someone was faster: {agent} has moved on from epoch {epoch}")
        return decision.state

    async def audit(self, agent: str, count: int) -> list[dict[str, Any]]:
        """The agent's latest audit events, newest first. Raises StoreAway."""
        return await self._store.audit(agent, count)

    async def _reconcile(self, agent: str) -> None:
        for _ in range(_STEPS_TO_AGREE):
            state, now = await self._store.read(agent)
            entry, seen = self._table.entry(agent), self._table.seen(agent)
            if entry is None:
                return
            if seen is not None and (state is None or state.epoch < seen.epoch):
                await self._commit(agent, rollout.restore(seen, state, now))
                continue
            decision = rollout.reconcile(state, entry.intent, now)
            if decision is None:
                self._turn(agent, state)
                return
            await self._commit(agent, decision)

    async def _catch_up(self, agent: str) -> None:
        """Take the record as it stands; put it back where the store has lost it."""
        state, _ = await self._store.read(agent)
        seen = self._table.seen(agent)
        if state is None or (seen is not None and state.epoch < seen.epoch):
            await self._reconcile(agent)
            return
        self._turn(agent, state)

    async def _on_reply(self, agent: str, batch: Batch, reply: FlushReply) -> None:
        seen = self._table.seen(agent)
        if seen is None or reply.epoch != seen.epoch:
            await self._catch_up(agent)
        entry = self._table.entry(agent)
        if entry is not None and entry.on_trial and entry.state and entry.state.evidence == batch.evidence:
            await self._decide(agent, entry, entry.state, reply)

    async def _decide(self, agent: str, entry: Entry, state: State, reply: FlushReply) -> None:
        evidence = evidence_of(state, reply.totals)
        findings = guardrails.assess(entry.guardrails, evidence)
        decision = rollout.decide(state, findings, evidence, reply.now)
        if decision is not None:
            await self._commit(agent, decision)

    async def _commit(self, agent: str, decision: Decision) -> bool:
        """Commit, then announce: only the winner does. Whether this replica won."""
        committed = await self._store.commit(agent, decision, self._config_digest)
        if committed.state is not None:
            self._turn(agent, committed.state)
        if committed.won:
            state = decision.state
            self._log.warning(
                "decision", agent=agent, action=state.action, epoch=state.epoch, phase=state.phase,
                weight=state.weight, actor=state.actor, reason=state.reason,
            )  # fmt: skip
        return committed.won

    def _turn(self, agent: str, state: State | None) -> None:
        if state is not None and self._table.turn(agent, state):
            self._log.info("turned", agent=agent, epoch=state.epoch, phase=state.phase, weight=state.weight)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._guarded(work)
            await asyncio.sleep(seconds)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; a store that is away is said once, and everything is tried again later."""
        try:
            await work()
        except StoreAway as error:
            if self.store_ok:
                self._log.error("store_away", error=error.message)
            self.store_ok = False
            return
        if not self.store_ok:
            self._log.warning("store_back")
        self.store_ok = True

    async def _flush_urgent(self) -> None:
        while True:
            agent = await self._urgent.get()
            await self._guarded(lambda: self._flusher.flush(agent))  # noqa: B023 - awaited before the next turn

    async def _follow_turns(self) -> None:
        async for agent in self._store.turns():
            if self._table.entry(agent) is not None:
                await self._guarded(lambda: self._catch_up(agent))  # noqa: B023 - awaited before the next turn


def evidence_of(state: State, totals: Totals) -> Evidence:
    """What the store's totals say about the running step."""
    return Evidence(
        weight=state.weight / BUCKETS,
        canary_requests=totals.canary.requests,
        canary_errors=totals.canary.errors,
        canary_failing=totals.canary.failing,
        stable_requests=totals.stable.requests,
        stable_errors=totals.stable.errors,
        stable_failing=totals.stable.failing,
        control_unseen_seconds=totals.control_unseen_seconds,
    )
