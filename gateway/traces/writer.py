"""Writing of finished calls' records to the store, off the path of every call.

A store that is away changes nothing for calls: the latest batch waits and is written again, and what no longer fits the
queue of finished calls is dropped and counted there.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from gateway.contents.writer import ContentWriter
from gateway.heard import HeardCall
from gateway.logs import Log
from gateway.store.background_writer import PAUSE_SECONDS, BackgroundWriter
from gateway.store.seam import Store
from gateway.store.trace_seam import CallBounds, KeptCall
from gateway.traces.codec import kept
from gateway.traces.finished import FinishedCalls
from gateway.traces.record import CallRecord

_AT_ONCE = 100  # records made without a pause: calls go first
_MOST_A_SECOND = 600  # of one replica: some per cent of a processor's time here, and of the store's
_MOST_BYTES_OF_ALL = 64 << 20  # in the store, of all agents together, for each of its two streams
_LEAST_BYTES = 256 << 10

Listener = Callable[[Sequence[CallRecord]], None]


class TraceWriter(BackgroundWriter):
    """The writer of one replica. `listeners` get every batch of records, before the store has it, and `contents` what
    was heard of those calls whose texts are to be recorded, once it has them.

    `bounds` limit the calls of each agent in the store, `dropped` counts those that nobody will find.
    """

    def __init__(
        self, store: Store, finished: FinishedCalls, log: Log, agents: int = 1, pause: float = PAUSE_SECONDS
    ) -> None:
        super().__init__(log, "calls_not_recorded", pause)
        self._store = store
        self._finished = finished
        self._unwritten: dict[str, list[KeptCall]] = {}
        self._writing = asyncio.Lock()
        self._heard: list[tuple[CallRecord, HeardCall]] = []
        self.contents = ContentWriter(store, log)
        self.listeners: list[Listener] = []
        self.dropped = 0
        self.share_among(agents)

    def share_among(self, agents: int) -> None:
        """Let the calls of so many agents take their share of the store each."""
        share = _MOST_BYTES_OF_ALL // max(agents, 1)
        self.bounds = CallBounds(min(CallBounds().bytes, max(_LEAST_BYTES, share)))
        self.contents.share_among(agents)

    async def write_for_ever(self) -> None:
        """Write what has ended, until cancelled."""
        await self._write_regularly(max(_AT_ONCE, round(_MOST_A_SECOND * self._pause)))

    async def write(self, most: int) -> None:
        """Write at most so many records. Raises StoreAway; then the batch waits for the next time."""
        async with self._writing:
            while most > 0 and (self._unwritten or self._finished):
                if not self._unwritten:
                    most -= self._take(min(_AT_ONCE, most))
                await self._write_batch()

    async def finish(self) -> None:
        """Write what is left; a store that is away gets nothing more."""
        await self._write_last(len(self._finished) + _AT_ONCE)
        await self.contents.finish()

    def _count_waiting(self) -> int:
        return len(self._finished)

    def _take(self, most: int) -> int:
        """Take the next batch of records; return their number."""
        taken = self._finished.take_heard(most)
        records = [record for record, _ in taken]
        for listen in self.listeners:
            listen(records)
        by_agent: defaultdict[str, list[KeptCall]] = defaultdict(list)
        for record in records:
            by_agent[record.agent].append(kept(record))
        self._unwritten = dict(by_agent)
        self._heard = [(record, heard) for record, heard in taken if heard is not None]
        return len(records)

    async def _write_batch(self) -> None:
        for agent in list(self._unwritten):
            await self._store.keep_calls(agent, self._unwritten[agent], self.bounds)
            del self._unwritten[agent]
        for record, heard in self._heard:
            self.contents.note(record, heard)
        self._heard = []

    def _tell_of_drops(self) -> None:
        dropped, self._finished.dropped = self._finished.dropped, 0
        if dropped:
            self.dropped += dropped
            self._log.warning("calls_not_kept", dropped=dropped, why="more calls end than are recorded")
