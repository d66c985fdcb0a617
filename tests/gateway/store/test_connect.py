"""URLs: each kind gives a client that fails fast and repeats nothing."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.sentinel import SentinelConnectionPool

from gateway.errors import StoreAway
from gateway.store import RedisStore, connect
from gateway.store.connect import close
from tests.support.redis_servers import tcp_server

URLS = [
    "redis://user:p%40ss@127.0.0.1:6380/2",
    "rediss://127.0.0.1:6380/0?ssl_cert_reqs=none",
    "unix:///run/a%20folder/redis.sock",
    "redis+sentinel://user:p%40ss@one:1,two/house/3",
    "redis+cluster://:p%40ss@one:1,two,[::1]:3",
]


def _options(client: Redis | RedisCluster) -> dict[str, Any]:
    if isinstance(client, RedisCluster):
        return client.get_connection_kwargs() | {"retry": client.retry}
    return client.connection_pool.connection_kwargs


@pytest.mark.parametrize("url", URLS)
async def test_no_client_repeats_a_command_or_waits_long(url: str) -> None:
    """Retries are off and every socket has a deadline, for each kind of URL."""
    client = connect(url)
    options = _options(client)
    assert options["retry"].get_retries() == 0
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 1.0
    assert options["decode_responses"] and options["protocol"] == 2
    await close(client)


async def test_the_parts_of_a_plain_url_arrive() -> None:
    """Host, port, database and a password with an escaped character; a path with a space."""
    options = _options(connect(URLS[0]))
    assert (options["host"], options["port"], options["db"]) == ("127.0.0.1", 6380, 2)
    assert (options["username"], options["password"]) == ("user", "p@ss")
    assert _options(connect(URLS[2]))["path"] == "/run/a folder/redis.sock"


async def test_the_parts_of_a_sentinel_url_arrive() -> None:
    """The credentials are the primary's; the sentinels get their own, and their default port."""
    client = connect(URLS[3] + "?sentinel_password=other")
    assert isinstance(client, Redis) and isinstance(client.connection_pool, SentinelConnectionPool)
    assert client.connection_pool.service_name == "house"
    assert (_options(client)["db"], _options(client)["password"]) == (3, "p@ss")
    sentinels = [each.connection_pool.connection_kwargs for each in client.connection_pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"], each["password"]) for each in sentinels] == [
        ("one", 1, "other"), ("two", 26379, "other"),
    ]  # fmt: skip
    await close(client)


async def test_the_parts_of_a_cluster_url_arrive() -> None:
    """Every node that is named is a place to begin."""
    client = connect(URLS[4])
    assert isinstance(client, RedisCluster)
    assert set(client.nodes_manager.startup_nodes) == {"one:1", "two:6379", "::1:3"}
    assert _options(client)["password"] == "p@ss"
    await close(client)


@pytest.mark.parametrize(
    "url, way_out",
    [
        ("mysql://host", "redis://host:6379/0, rediss://"),
        ("embedded", "redis+cluster://host:6379"),
        ("unix://", "unix:///path/to/socket"),
        ("unix:///", "unix:///run/redis.sock"),
        ("redis://host/0?retry_on_timeout=yes", "known: db, password_command"),
        ("redis+cluster://host?db=1", "known: password_command, password_file"),
        ("redis://:pw@host?password_file=/x", "more than one password"),
        ("redis+cluster:///", "redis+cluster://host:6379"),
        ("redis+cluster://host:port", "host:port"),
        ("redis+sentinel://host:26379", "service"),
        ("redis+sentinel://host/house/one", "database must be a number"),
    ],
)
def test_a_url_that_is_not_understood_names_the_way_out(url: str, way_out: str) -> None:
    """The message says what is wrong and what to write."""
    with pytest.raises(ValueError, match=re.escape(way_out)):
        connect(url)


async def test_many_callers_share_few_connections(redis_url: str) -> None:
    """Five hundred at once are all served, over a bounded pool."""
    client = connect(redis_url)
    store = RedisStore(client, "replica")
    await asyncio.gather(*(store.read(f"agent-{n}") for n in range(500)))
    clients = await client.client_list()
    assert len(clients) <= 64
    await store.aclose()


async def test_a_plain_server_is_no_cluster(tmp_path: Path) -> None:
    """A URL of the wrong kind is away with the reason, not a crash."""
    async with tcp_server(tmp_path) as port:
        store = RedisStore(connect(f"redis+cluster://127.0.0.1:{port}"), "replica")
        with pytest.raises(StoreAway, match="Cluster mode is not enabled"):
            await store.ping()
        await store.aclose()
