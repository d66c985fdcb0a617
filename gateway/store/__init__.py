"""The shared state: what every replica must agree on, and the only package that speaks to Redis.

`seam` says what is asked of it, `redis` answers, `connect` knows the URLs, `embedded` starts a private server. `chain`
tells whether an audit trail is whole.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.config.fields import EMBEDDED
from gateway.store.audit_chain import verify
from gateway.store.connect import Client, connect
from gateway.store.embedded import EmbeddedRedis, Log
from gateway.store.memory import Memory, memory_folder
from gateway.store.redis import RedisStore
from gateway.store.seam import (
    MAX_FAILING_UNITS,
    MAX_UNITS,
    Arm,
    Batch,
    Committed,
    FlushReply,
    Notice,
    SampleSums,
    Sides,
    Snapshot,
    Store,
)
from gateway.store.server_binary import EmbeddedRedisFailed

__all__ = [
    "EMBEDDED",
    "MAX_FAILING_UNITS",
    "MAX_UNITS",
    "Arm",
    "Batch",
    "Client",
    "Committed",
    "EmbeddedRedis",
    "EmbeddedRedisFailed",
    "FlushReply",
    "Memory",
    "Notice",
    "OpenStore",
    "RedisStore",
    "SampleSums",
    "Sides",
    "Snapshot",
    "Store",
    "connect",
    "join_store",
    "memory_folder",
    "open_store",
    "verify",
]


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store, what it is, the private server that comes with it, if one does, and what was seen of it before."""

    store: Store
    backend: Literal["embedded", "redis"]
    server: EmbeddedRedis | None
    memory: Memory = field(default_factory=Memory)

    async def aclose(self) -> None:
        """Close the connections, then end the private server."""
        await self.store.aclose()
        if self.server:
            await self.server.stop()


async def open_store(where: str, folder: Path, replica: str, log: Log, binary: Path | None = None) -> OpenStore:
    """The store that the configuration names: `embedded`, with its data in `folder`, or a URL.

    `binary` is the server program for `embedded`, None for the bundled one.

    A remote store need not be reachable yet. Raises ValueError for a URL that is not understood and
    EmbeddedRedisFailed when the private server cannot start.
    """
    if where != EMBEDDED:
        return OpenStore(RedisStore(connect(where), replica), "redis", None)
    server = EmbeddedRedis(folder, log, binary)
    url = await server.start()
    return OpenStore(RedisStore(connect(url), replica), "embedded", server)


def join_store(url: str, replica: str) -> OpenStore:
    """A store over the private server that somebody else started and will end; `url` is what its start returned."""
    return OpenStore(RedisStore(connect(url), replica), EMBEDDED, None)
