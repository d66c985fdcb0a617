"""Batching of writes: what one turn of a busy event loop writes goes out together.

A write to a peer that sleeps wakes it, on another core, and that costs more than the write. Peers that are written to
one shortly after the other are woken once. Where a turn has one write only, nothing is held.
"""

import asyncio
from collections import deque
from typing import Protocol

MOST = 16
"""Senders that wait at a time: in a long turn nobody waits for all the others."""


class Sender(Protocol):
    """Sender with something to write."""

    def flush(self) -> None:
        """Write what waits, if it still can be written."""


class Cork:
    """The senders of one event loop whose writes are held: until its next turn, or until there are more than `MOST`.

    A sender that writes time and again, and nobody else, is not counted: its turns need no end then.
    """

    __slots__ = ("_came", "_is_busy", "_latest", "_senders")

    def __init__(self) -> None:
        self._senders: deque[Sender] = deque()
        self._came = 0
        self._is_busy = False
        self._latest = 0  # the sender's `id`: a closed one is not kept

    def holds(self, sender: Sender, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether this sender waits for its `flush`. It writes at once if no other sender wrote in the last turn
        that had any writes."""
        if not self._came:
            if self._latest == id(sender) and not self._is_busy:
                return False
            loop.call_soon(self._end_turn, loop)
        self._came += 1
        self._latest = id(sender)
        if not self._is_busy:
            return False
        if len(self._senders) >= MOST:
            self._flush()
        self._senders.append(sender)
        return True

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_busy = self._came > 1
        self._came = 0
        if not self._senders:
            return
        try:
            self._flush()
        finally:
            if self._senders:  # one has failed, which is no business of the others
                loop.call_soon(self._end_turn, loop)

    def _flush(self) -> None:
        senders = self._senders
        while senders:
            senders.popleft().flush()
