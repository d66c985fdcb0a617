"""The common base of the Redis store's parts: the names of keys, and how one operation reaches the server."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline

from gateway.store.bounds import Bounds
from gateway.store.connect import Client
from gateway.store.scripts import Script


class Reaching(Protocol):
    """A store as its parts see it: operations are bounded in time and number, and their failures mapped."""

    _client: Client
    _replica: str
    _deadline: float
    _bounds: Bounds

    def _reach(self) -> AbstractAsyncContextManager[None]: ...

    def _pipeline(self) -> Pipeline | ClusterPipeline: ...

    async def _execute(self, pipe: Pipeline | ClusterPipeline, raise_on_error: bool = True) -> list[Any]: ...

    async def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any: ...


def key_of(agent: str, *parts: str | int) -> str:
    """A key of the agent's. All of them carry its hash tag, and so share a cluster slot."""
    return ":".join((f"serinus:{{{agent}}}", *map(str, parts)))
