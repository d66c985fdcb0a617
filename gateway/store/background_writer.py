"""Writing from a queue to the store, off the path of every call, while the store is there."""

import asyncio
from abc import ABC, abstractmethod
from time import monotonic

from gateway.errors import StoreAway
from gateway.logs import Log

PAUSE_SECONDS = 0.25
_AWAY_SECONDS = 1.0


class BackgroundWriter(ABC):
    """A writer of one replica. A store that is away changes nothing for calls: what waits is written when it is back.

    `waits` is the log event that says so, `rest` the seconds of rest for each second of work.
    """

    def __init__(self, log: Log, waits: str, pause: float, rest: float = 0.0) -> None:
        self._log = log
        self._waits = waits
        self._pause = pause
        self._rest = rest
        self._is_away = False

    @abstractmethod
    async def write(self, most: int) -> None:
        """Write at most so many. Raises StoreAway; then they wait for the next time."""

    @abstractmethod
    def _count_waiting(self) -> int:
        """Return how many wait."""

    @abstractmethod
    def _tell_of_drops(self) -> None:
        """Log what had no room since the last time, if anything."""

    async def _write_regularly(self, most: int) -> None:
        """Write so many at a time, until cancelled."""
        while True:
            await asyncio.sleep(self._pause)
            began = monotonic()
            try:
                await self.write(most)
            except StoreAway:
                self._complain()
                await asyncio.sleep(_AWAY_SECONDS)
            else:
                self._is_away = False
                self._tell_of_drops()
                await asyncio.sleep(min(self._rest * (monotonic() - began), _AWAY_SECONDS))

    async def _write_last(self, most: int) -> None:
        """Write what is left; a store that is away gets nothing more."""
        try:
            await self.write(most)
        except StoreAway:
            self._complain()

    def _complain(self) -> None:
        """Log that something waits, once until it is written again."""
        if not self._is_away:
            self._is_away = True
            self._log.warning(self._waits, waiting=self._count_waiting())
