"""The loop between calls and the store: flush, catch up, judge, commit, turn.

Every replica runs one controller. What makes it right is the store's epoch compare-and-set; all else only saves work.
Three things tell a replica that a record has changed: the store's announcement, the epoch in every flush's reply, and a
poll about once a second, which is the truth.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress

from gateway.logs import Log
from gateway.rollout.flusher import Flusher
from gateway.rollout.judge import Judge
from gateway.rollout.outages import Outages
from gateway.rollout.parties import callers_by_party
from gateway.rollout.recorder import Recorder
from gateway.rollout.rollout_records import RolloutRecords
from gateway.rollout.store_health import EVERY_AGENT
from gateway.rollout.store_risks import StoreRisks
from gateway.rollout.table import Table
from gateway.runtime import Runtime
from gateway.store.memory import Memory
from gateway.store.seam import Batch, FlushReply, Snapshot, Store
from gateway.timings import USUAL, Timings
from routing.chain import Target

_REST_SECONDS = 0.02  # between flushes of one agent: an outage fails every call of a canary that serves everything
_LOOK_SECONDS = 0.3  # so that a table is right within a second of the store's return
JITTER = 0.2  # of the pause, up or down: replicas that were started together do not poll together for ever


def _ignore(_: Target) -> None:
    """Do nothing about a new trial."""


def _steady() -> float:
    """The middle of what may be drawn: no jitter."""
    return 0.5


class Controller:
    """The controller of one replica. `on_trial` is told of the target of every version whose evidence begins anew;
    `draw` is uniform in 0…1. `records` and `outages` are shared with people's commands."""

    def __init__(
        self,
        store: Store,
        table: Table,
        recorder: Recorder,
        log: Log,
        on_trial: Callable[[Target], None] = _ignore,
        draw: Callable[[], float] = _steady,
        memory: Memory | None = None,
        timings: Timings = USUAL,
    ) -> None:
        self._store = store
        self._table = table
        self._log = log
        self._draw = draw
        self.records = RolloutRecords(store, table, memory or Memory(), log, on_trial, recorder.counts)
        self._flush_seconds, self._poll_seconds, self._finish_seconds = timings.flush, timings.poll, timings.last_flush
        self._judge = Judge(store, table, timings.lease, self.records.steady)
        self._flusher = Flusher(store, recorder)
        self._flush_requests = recorder.flush_requests
        self.outages = Outages(store, table, self.records, self._flusher, log)
        self.risks = StoreRisks(store, log)
        self._flushing: set[str] = set()
        self._unreconciled: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._installed = asyncio.Event()

    @property
    def store_ok(self) -> bool:
        """Return whether every agent's record could be reached when last asked for."""
        return self.outages.store_ok

    @property
    def store_error(self) -> str | None:
        """Return why a record could not be reached or changed, None while all is well."""
        return self.outages.store_error

    def latest(self, agent: str) -> Snapshot | None:
        """Return what the judge's latest look at the agent's trial has read, if this replica looks at it."""
        return self._judge.latest(agent)

    def install(self, runtime: Runtime) -> None:
        """Let every agent's record follow the new configuration, which is in the table."""
        self._unreconciled = set(self._table)
        self.records.config_digest = runtime.digest
        self.records.callers = callers_by_party(runtime.doorkeeper.callers)
        self.records.keep_configured()
        self.outages.keep(self._table)
        self._installed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._flush_regularly())
                self._tasks.create_task(self._flush_on_request())
                self._tasks.create_task(self._poll_regularly())
                self._tasks.create_task(self._follow_turns())
                self._tasks.create_task(self.risks.look_for_ever())
        finally:
            self._tasks = None
            self._flushing.clear()

    async def finish(self) -> None:
        """Flush what is left, again and again for some seconds while the store is away; log what is lost then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._finish_seconds):
                await self._each(self._flusher.agents(), self._flush)
                while left := self._flusher.agents():
                    await asyncio.sleep(self._flush_seconds)
                    await self._each(left, self._flush)
        if left := self._flusher.agents():
            self._log.error("counts_lost", agents=left)

    async def poll(self) -> None:
        """Follow a new configuration, and catch up where a record has moved or could not be read."""
        await self._each(self._unreconciled, self._follow)
        epochs: dict[str, int] = {}
        async with self.outages.bear(EVERY_AGENT):
            epochs = await self._store.epochs(list(self._table))
        behind = [agent for agent, epoch in epochs.items() if self.records.is_behind(agent, epoch)]
        await self._each(behind, self.records.catch_up)
        await self._each(self._judge.watched(), self._look)

    async def _flush_regularly(self) -> None:
        while True:
            for agent in self._flusher.agents():
                self._begin_flush(agent)
            await asyncio.sleep(self._flush_seconds)

    async def _flush_on_request(self) -> None:
        while True:
            for agent in await self._flush_requests.wait():
                self._begin_flush(agent)

    def _begin_flush(self, agent: str) -> None:
        """Flush this agent, unless that is being done."""
        if self._tasks is not None and agent not in self._flushing:
            self._flushing.add(agent)
            self._tasks.create_task(self._flush_while_due(agent))

    async def _flush_while_due(self, agent: str) -> None:
        try:
            is_due = True
            while is_due:
                self._flush_requests.take(agent)
                async with self.outages.bear(agent):
                    await self._flush(agent)
                await asyncio.sleep(_REST_SECONDS)
                is_due = agent in self._flush_requests
        finally:
            self._flushing.discard(agent)

    async def _flush(self, agent: str) -> None:
        """Flush the agent's counts, and take each reply before the next batch goes out."""
        async with aclosing(self._flusher.flush(agent)) as replies:
            async for batch, reply in replies:
                await self._take_reply(agent, batch, reply)

    async def _take_reply(self, agent: str, batch: Batch, reply: FlushReply) -> None:
        """Catch up with the record, judge the counts, and commit the decision, which turns the table."""
        if self._table.entry(agent) is None:
            return
        if not self.records.is_at(agent, reply.epoch):
            await self.records.catch_up(agent)
        if decision := await self._judge.judge_counts(agent, batch, reply):
            await self.records.commit(agent, decision)
            await self._judge.notes.bring_in(agent)

    async def _poll_regularly(self) -> None:
        while True:
            self._installed.clear()
            await self.poll()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause(self._poll_seconds, self._draw(), self.store_ok)):
                    await self._installed.wait()

    async def _follow(self, agent: str) -> None:
        """Bring the agent's record to what a new configuration wants."""
        if await self.records.reconcile(agent):
            self._unreconciled.discard(agent)

    async def _look(self, agent: str) -> None:
        """Look at a trial, and commit what is decided on it."""
        if decision := await self._judge.look(agent):
            await self.records.commit(agent, decision)
        await self._judge.notes.bring_in(agent)

    async def _follow_turns(self) -> None:
        async for agent in self._store.turns():
            if self._table.entry(agent) is not None:
                async with self.outages.bear(agent):
                    await self.records.catch_up(agent)

    async def _each(self, agents: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
        """Do the work for every agent, whatever becomes of the others; a bug is raised when all are through."""
        attempts = [self._attempt(agent, work) for agent in list(agents)]
        for result in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _attempt(self, agent: str, work: Callable[[str], Awaitable[None]]) -> None:
        async with self.outages.bear(agent):
            await work(agent)


def pause(poll_seconds: float, drawn: float, store_ok: bool = True) -> float:
    """Seconds from one poll to the next, for a draw in 0…1. A store that is away is looked for more often."""
    return (poll_seconds if store_ok else _LOOK_SECONDS) * (1 - JITTER + 2 * JITTER * drawn)
