"""Holds back what is written in one turn of the loop, so that all of it goes out together.

A write to a peer that sleeps wakes it, on another core, and that costs more than the write. Peers that are written to
one shortly after the other are woken once.
"""

import asyncio
from collections import deque
from typing import Protocol

MOST = 16
"""Senders that wait at a time: in a long turn nobody waits for all the others."""


class Sender(Protocol):
    """Who has something to write."""

    def flush(self) -> None:
        """Write what waits, if it still can be written."""


class Cork:
    """The senders of one loop that have something to write. Each gets its `flush` in the next turn, or before."""

    __slots__ = ("_senders",)

    def __init__(self) -> None:
        self._senders: deque[Sender] = deque()

    def hold(self, sender: Sender, loop: asyncio.AbstractEventLoop) -> None:
        """Flush this sender with the others."""
        senders = self._senders
        if not senders:
            loop.call_soon(self._release, loop)
        senders.append(sender)
        if len(senders) >= MOST:
            self._flush()

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._flush()
        finally:
            if self._senders:  # a flush has failed, which is no business of the others
                loop.call_soon(self._release, loop)

    def _flush(self) -> None:
        senders = self._senders
        while senders:
            senders.popleft().flush()
