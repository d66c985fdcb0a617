"""Notes in the store of when keys were last used at this replica, for whoever rotates them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from gateway.auth import Doorkeeper
from gateway.errors import StoreAway
from gateway.store.key_uses import KeyUseSeam


class KeyUseNotes:
    """The notes of one replica. `doorkeeper` returns that of the present configuration."""

    def __init__(self, store: KeyUseSeam, doorkeeper: Callable[[], Doorkeeper], seconds: float) -> None:
        self._store = store
        self._doorkeeper = doorkeeper
        self._seconds = seconds

    async def note_for_ever(self) -> None:
        """Note the uses once in a while, until cancelled. What the store does not take is noted at the next use."""
        while True:
            await asyncio.sleep(self._seconds)
            with suppress(StoreAway):
                await self.note()

    async def note(self) -> None:
        """Note the uses since the last time. Raises StoreAway."""
        if uses := self._doorkeeper().take_uses():
            await self._store.note_key_uses(uses)
