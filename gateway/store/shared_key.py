"""The fingerprint key of all replicas in the store: the first one that is proposed stays."""

import re

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline

from gateway.errors import StoreAway

KEY_BYTES = 32
_KEY = "serinus:fingerprint-key"


_HEX = re.compile(f"[0-9a-f]{{{2 * KEY_BYTES}}}")


class StrangeKey(StoreAway):
    """The store holds something else in the key's place."""


def ask(pipe: Pipeline | ClusterPipeline, proposed: bytes) -> None:
    """Two commands: keep the key unless there is one, and tell which one it is."""
    pipe.set(_KEY, proposed.hex(), nx=True)
    pipe.get(_KEY)


def decoded(found: str | None) -> bytes:
    """The key of the second answer. Raises StoreAway when it is none."""
    try:
        return key_of_hex(found or "")
    except ValueError as error:
        raise StrangeKey(f"{_KEY} in the store is not taken: {error}") from error


def key_of_hex(text: str) -> bytes:
    """The key that is written so. Raises ValueError, which shows nothing of it, for one of another length."""
    if not _HEX.fullmatch(text):
        raise ValueError(f"it is not {2 * KEY_BYTES} hex digits")
    return bytes.fromhex(text)
