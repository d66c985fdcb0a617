"""Store of when keys were last used, over all replicas: one hash, by the mark of each key."""

from collections.abc import Mapping
from typing import Final, Protocol

from gateway.store.reaching import Reaching

_KEY: Final = "serinus:keys"
_KEEP_SECONDS: Final = 400 * 24 * 3600


class KeyUseSeam(Protocol):
    """The operations that keys need of the shared state."""

    async def note_key_uses(self, uses: Mapping[str, float]) -> None:
        """Note when keys were used, in Unix seconds by their marks."""

    async def key_uses(self) -> dict[str, float]:
        """Return when each key was last used, by its mark."""


class KeyUseStore:
    """A part of `RedisStore`."""

    async def note_key_uses(self: Reaching, uses: Mapping[str, float]) -> None:
        async with self._reach():
            pipe = self._pipeline()
            pipe.hset(_KEY, mapping={mark: f"{at:.0f}" for mark, at in uses.items()})
            pipe.expire(_KEY, _KEEP_SECONDS)
            await self._execute(pipe)

    async def key_uses(self: Reaching) -> dict[str, float]:
        async with self._reach():
            found = await self._client.hgetall(_KEY)
        return {str(mark): float(at) for mark, at in found.items()}
