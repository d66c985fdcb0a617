"""Examination of a store for an operator: what keeps it from serving, or makes it lose records, one sentence each."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from gateway.config.store_url import read_store_url
from gateway.errors import StoreAway, StoreRefused
from gateway.store.connect import connect
from gateway.store.data_folder import check_readable, lock, make_private, open_to_others, read_stamp
from gateway.store.faults import FAILURES
from gateway.store.key_prefix import OWN
from gateway.store.permissions import acl_line
from gateway.store.redis import RedisStore
from gateway.store.server_binary import EmbeddedRedisFailed, Release, bundled_binary, identify
from gateway.store.server_faults import StoreFault, infos, server_faults

_SKEW_SECONDS = 5.0
_AGENT = "doctor"  # whose keys the probe uses, and leaves none
_UNKNOWN = StoreFault(
    "its user may not read INFO, so memory and persistence are not known",
    "see yourself that maxmemory-policy is noeviction and that the server persists",
    is_fatal=False,
)


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
        nodes = await _infos(client)
        faults = list(dict.fromkeys(fault for node in nodes for fault in server_faults(node)))
        if not nodes:
            faults.append(_UNKNOWN)
        try:
            await store.probe(_AGENT)
        except StoreAway as error:
            faults.append(
                StoreFault(
                    str(error), f"let its user do what Serinus needs: {acl_line(read_store_url(url).prefix or OWN)}"
                )
            )
        return _name(nodes[0] if nodes else {}), faults + await _clock_faults(client)
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


async def _infos(client: Redis | RedisCluster) -> list[Mapping[str, Any]]:
    """Return the server's INFO, of each primary of a cluster; nothing where the user may not ask."""
    with suppress(*FAILURES):
        return await infos(client)
    return []


def _name(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}" if "redis_version" in info else "a server"


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
