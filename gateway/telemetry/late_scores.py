"""Scores of calls that this replica does not remember: another may have served them, within a client's trace.

The record of the call tells the trace. It is read from the store off the path of calls, some seconds after the score.
"""

from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

from gateway.errors import StoreAway
from gateway.store.trace_seam import TraceStore
from gateway.traces.codec import decode
from gateway.traces.record import CallRecord, key_of_nonce

MOST_WAITING = 1_000


class ScoredCall(NamedTuple):
    """A score of an agent's call; `at` is when it came, in Unix seconds."""

    agent: str
    call_id: str
    nonce: bytes
    at: float
    score: float
    explanation: str = ""


class LateScores:
    """The scores that wait until their calls are looked up. Of very many the oldest are dropped."""

    def __init__(self) -> None:
        self._waiting: deque[ScoredCall] = deque(maxlen=MOST_WAITING)

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, scored: ScoredCall) -> None:
        """Have the call of a score looked up."""
        self._waiting.append(scored)

    async def take(self, store: TraceStore, until: float) -> AsyncIterator[tuple[ScoredCall, CallRecord | None]]:
        """Yield the scores that came until then, each with the record of its call, as far as that is kept.

        While the store is away they wait.
        """
        try:
            for _ in range(len(self._waiting)):
                scored = self._waiting[0]
                if scored.at > until:
                    return
                texts = await store.find_calls(scored.agent, [key_of_nonce(scored.nonce)])
                self._waiting.popleft()
                yield scored, decode(texts[0]) if texts else None
        except StoreAway:
            return
