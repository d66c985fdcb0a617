"""Examination of a store for an operator: what keeps it from serving, or makes it lose records, one sentence each."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from gateway.errors import StoreAway, StoreRefused
from gateway.store.connect import connect
from gateway.store.data_folder import check_readable, lock, make_private, open_to_others, read_stamp
from gateway.store.faults import FAILURES
from gateway.store.permissions import acl_line
from gateway.store.redis import RedisStore
from gateway.store.server_binary import EmbeddedRedisFailed, Release, bundled_binary, identify

_OLDEST = (6, 2)
_FULL = 0.9  # share of the memory limit
_SKEW_SECONDS = 5.0
_AGENT = "doctor"  # whose keys the probe uses, and leaves none


@dataclass(frozen=True, slots=True)
class StoreFault:
    """A fault of the store, and the remedy. `is_fatal` says that the store cannot be used."""

    message: str
    do: str
    is_fatal: bool = True


async def examine_remote(url: str) -> tuple[str, list[StoreFault]]:
    """Return what the server calls itself, and its faults. Leaves nothing in the store. Raises ValueError for a URL
    that is not understood."""
    client = connect(url)
    store = RedisStore(client, "doctor")
    try:
        try:
            await store.ping()
        except StoreRefused as error:
            return "", [StoreFault(str(error), "check user, password and kind of URL in `store`")]
        except StoreAway as error:
            return "", [StoreFault(str(error), "check host, port and TLS (rediss://) in `store`, and the network")]
        info = await _info(client)
        faults = list(_server_faults(info))
        try:
            await store.probe(_AGENT)
        except StoreAway as error:
            faults.append(StoreFault(str(error), f"let its user do what Serinus needs: {acl_line()}"))
        return _name(info), faults + await _clock_faults(client)
    finally:
        await store.aclose()


async def examine_embedded(data: Path, folder: Path, binary: Path | None) -> tuple[str, list[StoreFault]]:
    """Return the server's name and version, and what would keep it from starting over that folder."""
    try:
        release = await identify(binary or bundled_binary())
        state = _embedded_state(folder, release)
    except EmbeddedRedisFailed as error:
        return "", [StoreFault(str(error), "")]
    return f"{release} in {folder}, {state}", list(_folder_faults(data))


def _embedded_state(folder: Path, release: Release) -> str:
    """Return whether the store runs. Raises EmbeddedRedisFailed where that server could not start over the folder."""
    if not folder.exists():
        return "not started yet"
    make_private(folder)
    check_readable(folder, release, read_stamp(folder))
    try:
        os.close(lock(folder))
    except EmbeddedRedisFailed:
        return "in use by a gateway that runs now"
    return "not running"


def _folder_faults(data: Path) -> Iterator[StoreFault]:
    nearest = next(place for place in (data, *data.absolute().parents) if place.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        yield StoreFault(f"{nearest} cannot be written", "name a folder of your own as `data`, or in SERINUS_DATA")
    if place := open_to_others(data):
        do = f"chmod o-w {shlex.quote(str(place))}"
        yield StoreFault(f"every user of this host may replace {place}", do, is_fatal=False)


async def _info(client: Redis | RedisCluster) -> Mapping[str, Any]:
    """Return the server's INFO, of one node of a cluster; empty where the user may not ask, as ours need not."""
    with suppress(*FAILURES):
        if isinstance(client, RedisCluster):
            return await client.info(target_nodes=client.get_random_node())
        return await client.info()
    return {}


def _name(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}" if "redis_version" in info else "a server"


def _server_faults(info: Mapping[str, Any]) -> Iterator[StoreFault]:
    if not info:
        do = "see yourself that maxmemory-policy is noeviction and that the server persists"
        yield StoreFault("its user may not read INFO, so memory and persistence are not known", do, is_fatal=False)
        return
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < _OLDEST:
        yield StoreFault(f"Redis {version} is too old", "use Redis 6.2 or later, or Valkey")
    if info.get("role") not in ("master", None):
        yield StoreFault("it is a replica, which takes no writes", "name the primary, or use redis+sentinel://")
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    policy = info.get("maxmemory_policy", "noeviction")
    if limit and policy != "noeviction":
        message = f"its eviction policy is {policy}: under memory pressure it deletes rollouts and audit events"
        yield StoreFault(
            message, "CONFIG SET maxmemory-policy noeviction, and in its configuration file", is_fatal=False
        )
    if limit and used > _FULL * limit:
        yield StoreFault(f"its memory is {used / limit:.0%} full", "raise maxmemory", is_fatal=False)
    if info.get("aof_enabled") == 0 and not info.get("rdb_last_save_time"):
        yield StoreFault(
            "it keeps nothing on disk", "switch on appendonly, or a restart forgets rollouts", is_fatal=False
        )
    if info.get("aof_last_write_status") == "err" or info.get("rdb_last_bgsave_status") == "err":
        yield StoreFault("its last write to disk failed", "look at its disk and its log")


async def _clock_faults(client: Redis | RedisCluster) -> list[StoreFault]:
    with suppress(*FAILURES):
        if isinstance(client, RedisCluster):
            seconds, micros = await client.time(target_nodes=client.get_random_node())
        else:
            seconds, micros = await client.time()
        skew = float(seconds) + float(micros) / 1e6 - time()
        if abs(skew) > _SKEW_SECONDS:
            return [
                StoreFault(f"its clock is {skew:+.0f} s from this machine's", "let both follow NTP", is_fatal=False)
            ]
    return []
