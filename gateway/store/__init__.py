"""The shared state: what every replica must agree on, and the only package that speaks to Redis.

`seam` says what is asked of it, `redis` answers, `connect` knows the URLs, `embedded` starts a private server.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.store.connect import Client, connect
from gateway.store.embedded import EmbeddedRedis, EmbeddedRedisFailed, Log
from gateway.store.redis import RedisStore
from gateway.store.seam import (
    MAX_FAILING_UNITS,
    Arm,
    ArmTotal,
    Batch,
    Committed,
    FlushReply,
    Snapshot,
    Store,
    Totals,
)

__all__ = [
    "MAX_FAILING_UNITS",
    "Arm",
    "ArmTotal",
    "Batch",
    "Client",
    "Committed",
    "EmbeddedRedis",
    "EmbeddedRedisFailed",
    "FlushReply",
    "OpenStore",
    "RedisStore",
    "Snapshot",
    "Store",
    "Totals",
    "connect",
    "open_store",
]

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store, what it is, and the private server that comes with it, if one does."""

    store: Store
    backend: Literal["embedded", "redis"]
    server: EmbeddedRedis | None

    async def aclose(self) -> None:
        """Close the connections, then end the private server."""
        await self.store.aclose()
        if self.server:
            await self.server.stop()


async def open_store(where: str, folder: Path, replica: str, log: Log) -> OpenStore:
    """The store that the configuration names: `embedded`, with its data in `folder`/redis, or a URL.

    A remote store need not be reachable yet. Raises ValueError for a URL that is not understood and
    EmbeddedRedisFailed when the private server cannot start.
    """
    if where != EMBEDDED:
        return OpenStore(RedisStore(connect(where), replica), "redis", None)
    server = EmbeddedRedis(folder / "redis", log)
    url = await server.start()
    return OpenStore(RedisStore(connect(url), replica), "embedded", server)
