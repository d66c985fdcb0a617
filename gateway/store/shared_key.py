"""The fingerprint key of all replicas in the store: the first one that is proposed stays."""

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline

from gateway.errors import StoreAway

_KEY = "serinus:fingerprint-key"


def ask(pipe: Pipeline | ClusterPipeline, proposed: bytes) -> None:
    """Two commands: keep the key unless there is one, and tell which one it is."""
    pipe.set(_KEY, proposed.hex(), nx=True)
    pipe.get(_KEY)


def decoded(found: str | None) -> bytes:
    """The key of the second answer. Raises StoreAway when it is none."""
    try:
        return bytes.fromhex(found or "?")
    except ValueError as error:
        raise StoreAway(f"{_KEY} in the store is not a key in hex: {error}") from error
