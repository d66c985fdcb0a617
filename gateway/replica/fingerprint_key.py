"""The key of fingerprints and call ids where the configuration has none: one per installation, shared by its replicas.

Made at the first start, kept in the store for every replica, and on this host's disk for a start without the store.
"""

import asyncio
import secrets
from collections.abc import Callable

from gateway.errors import StoreAway
from gateway.store.memory import Memory
from gateway.store.seam import Store

KEY_BYTES = 32
AGREE_SECONDS = 10.0  # a store that has lost the key gets it back before a new replica makes another one


class SharedKey:
    """`value` is the key now. `on_change` is called when the store turns out to hold another one."""

    def __init__(self, store: Store, memory: Memory, on_change: Callable[[], None]) -> None:
        self.value = memory.key or secrets.token_bytes(KEY_BYTES)
        self._store = store
        self._memory = memory
        self._on_change = on_change

    async def agree(self) -> None:
        """Take the key that the store holds, or put ours there. A store that is away changes nothing."""
        try:
            found = await self._store.share_key(self.value)
        except StoreAway:
            return
        if found != self.value:
            self.value = found
            self._on_change()
        await self._memory.keep_key(found)

    async def agree_for_ever(self) -> None:
        """Agree again and again, until cancelled."""
        while True:
            await asyncio.sleep(AGREE_SECONDS)
            await self.agree()
