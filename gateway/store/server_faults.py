"""Faults of a server that its INFO tells: what keeps it from being a store, and what may lose records later."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoPermissionError

from gateway.store.connect import Client
from gateway.store.reaching import Reaching

_OLDEST = (6, 2)
_FULL = 0.9  # share of the memory limit


@dataclass(frozen=True, slots=True)
class StoreFault:
    """A fault of the store, and the remedy. `is_fatal` says that the store cannot be used."""

    message: str
    do: str
    is_fatal: bool = True


class RiskSeam(Protocol):
    """The operation of the store on what may lose records later."""

    async def risks(self) -> list[str]:
        """Return what of the server may lose records, one sentence each; nothing where it may not be asked."""


class RiskStore:
    """The operation of `RedisStore` on the server's own state."""

    _may_ask = True

    async def risks(self: "_Asking") -> list[str]:
        if not self._may_ask:
            return []
        async with self._reach():
            try:
                nodes = await infos(self._client)
            except NoPermissionError:
                self._may_ask = False  # once: each refusal is a line in the server's own log
                return []
        return list(dict.fromkeys(f"{risk.message}: {risk.do}" for node in nodes for risk in memory_risks(node)))


class _Asking(Reaching, Protocol):
    _may_ask: bool


async def infos(client: Client) -> list[Mapping[str, Any]]:
    """Return the INFO of the server, of each primary of a cluster."""
    if isinstance(client, RedisCluster):
        found: Any = await client.info(target_nodes=RedisCluster.PRIMARIES)
        return list(found.values()) if found and all(isinstance(each, dict) for each in found.values()) else [found]
    return [await client.info()]


def server_faults(info: Mapping[str, Any]) -> Iterator[StoreFault]:
    """Yield everything that is wrong with a server."""
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < _OLDEST:
        yield StoreFault(f"Redis {version} is too old", "use Redis 6.2 or later, or Valkey")
    if info.get("role") not in ("master", None):
        yield StoreFault("it is a replica, which takes no writes", "name the primary, or use redis+sentinel://")
    yield from memory_risks(info)
    if info.get("aof_enabled") == 0 and not info.get("rdb_last_save_time"):
        yield StoreFault(
            "it keeps nothing on disk", "switch on appendonly, or a restart forgets rollouts", is_fatal=False
        )


def memory_risks(info: Mapping[str, Any]) -> Iterator[StoreFault]:
    """Yield what may lose records while all is well yet: eviction, little memory, a disk that takes no more."""
    limit, used = 0, 0
    with suppress(ValueError):
        limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    policy = info.get("maxmemory_policy", "noeviction")
    if limit and policy != "noeviction":
        message = f"its eviction policy is {policy}: under memory pressure it deletes rollouts and audit events"
        yield StoreFault(
            message, "CONFIG SET maxmemory-policy noeviction, and in its configuration file", is_fatal=False
        )
    if limit and used > _FULL * limit:
        yield StoreFault(f"its memory is {used / limit:.0%} full", "raise maxmemory", is_fatal=False)
    if info.get("aof_last_write_status") == "err" or info.get("rdb_last_bgsave_status") == "err":
        yield StoreFault("its last write to disk failed", "look at its disk and its log")
