"""The key of fingerprints and call ids where the configuration has none: one per installation, shared by its replicas.

Made at the first start, kept in the store for every replica, and on this host's disk for a start without the store.
"""

import secrets

from gateway.store.memory import Memory
from gateway.store.seam import Store
from gateway.store.shared_key import KEY_BYTES, StrangeKey

__all__ = ["KEY_BYTES", "SharedKey"]


class SharedKey:
    """`value` is the key now."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self.value = memory.key or secrets.token_bytes(KEY_BYTES)
        self._store = store
        self._memory = memory

    async def agree(self) -> bool:
        """Take the key that the store holds, or put ours there; return whether it is another one now.

        Raises StoreAway.
        """
        try:
            before, self.value = self.value, await self._store.share_key(self.value)
        except StrangeKey as error:
            self._memory.warn_of_key(error)
            raise
        return self.value != before

    async def keep(self) -> None:
        """Write the key down for a start without the store."""
        await self._memory.keep_key(self.value)
