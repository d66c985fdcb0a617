"""Brings the recorder's batches into the store, each exactly once, and yields the replies; the conversations follow.

A batch whose fate is unknown is sent again under the same sequence number before anything newer, so the store can tell
a repetition from news. While the store is away batches wait and merge in memory.
"""

import asyncio
from collections.abc import AsyncGenerator

from gateway.rollout.recorder import Recorder
from gateway.store.seam import Batch, FlushReply, Store


class Flusher:
    """Flushes one replica's batches, agent by agent; never two at once for one agent."""

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._sequences: dict[str, int] = {}
        self._unsure: dict[str, Batch] = {}
        self._busy: dict[str, asyncio.Lock] = {}

    def agents(self) -> list[str]:
        """The agents that have something to flush."""
        return list(dict.fromkeys([*self._unsure, *self._recorder.agents()]))

    def unflushed(self, agent: str, evidence: int) -> list[Batch]:
        """Return the batches of one evidence epoch that the store has not confirmed."""
        batches = (self._unsure.get(agent), self._recorder.pending(agent, evidence))
        return [batch for batch in batches if batch is not None and batch.evidence == evidence]

    async def flush(self, agent: str) -> AsyncGenerator[tuple[Batch, FlushReply], None]:
        """Flush the batches of one agent that wait now; yield each with its reply. Raises StoreAway.

        A batch that was not applied is kept, also when the caller leaves early: use `contextlib.aclosing`. A batch that
        comes meanwhile is the next flush's: under load there is always one, and a flush would never end.
        """
        async with self._busy.setdefault(agent, asyncio.Lock()):
            waiting = self._recorder.waiting(agent)
            if unsure := self._unsure.get(agent):
                yield unsure, await self._apply(agent, unsure)
            for _ in range(waiting):
                if batch := self._recorder.take(agent):
                    yield batch, await self._apply(agent, batch)
            await self._remember(agent)

    async def _remember(self, agent: str) -> None:
        """Tell the store which calls answered the conversations that clients named. Repeating it changes nothing."""
        conversations = self._recorder.conversations
        if calls := conversations.of(agent):
            await self._store.remember(agent, calls)
            conversations.stored(agent, calls)

    async def _apply(self, agent: str, batch: Batch) -> FlushReply:
        """Apply the batch under a sequence number of its own, or again under the one that it was sent with."""
        if agent not in self._unsure:
            self._sequences[agent] = self._sequences.get(agent, 0) + 1
            self._unsure[agent] = batch
        batch.cells.sent_at = self._recorder.now()
        reply = await self._store.flush(agent, self._sequences[agent], batch)
        del self._unsure[agent]
        return reply
