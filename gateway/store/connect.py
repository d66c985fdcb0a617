"""A redis-py client for the URL of a store. It fails fast and never repeats a command.

redis-py's own defaults repeat a command whose reply was lost, which may have run: a count would be added twice, a won
commit would look lost. Here a failure reaches the caller, who knows what is safe to repeat.
"""

from typing import Any

from redis.asyncio import Redis, from_url
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from gateway.config.store_url import StoreUrl, read_store_url

Client = Redis | RedisCluster

SOCKET_SECONDS = 1.0  # to connect, and for every read and write
SENTINEL_SECONDS = 0.5  # so that two dead sentinels leave time to ask a third within one operation
HEALTH_CHECK_SECONDS = 30  # a connection that was idle for so long is pinged before use
MAX_CONNECTIONS = 64  # per client, in a cluster per node
MAX_IN_FLIGHT = 32  # operations at once; below MAX_CONNECTIONS, for the pub/sub and the handshakes of a failover


def connect(url: str, socket_seconds: float = SOCKET_SECONDS) -> Client:
    """A client for the store at `url`; nothing is sent yet. Raises ValueError when the URL is not understood.

    redis+sentinel://[user:password@]host:port,host:port/service[/db] asks the sentinels for the primary;
    `?sentinel_password=` is for sentinels that want one. redis+cluster://[user:password@]host:port,host:port names
    some nodes of a cluster. `socket_seconds` bounds connecting, and every read and write.
    """
    read = read_store_url(url)
    if read.scheme == "redis+sentinel":
        return _sentinel(read, socket_seconds)
    if read.scheme == "redis+cluster":
        return _cluster(read, socket_seconds)
    return from_url(url, retry=_never(), **_common(socket_seconds))


async def know_nodes(client: Client) -> None:
    """Let a cluster's client learn who serves what, if it does not know, before it is asked anything.

    redis-py does so by itself, but only after it chose a node, and then asks random ones.
    """
    if isinstance(client, RedisCluster):
        await client.initialize()


async def disconnect(client: Client) -> None:
    """Let every later operation dial anew; one that is under way keeps its connection until it ends.

    Behind a stable name another server may answer now, and a live connection would never show it.
    """
    if isinstance(client, RedisCluster):
        for node in client.get_nodes():
            node.update_active_connections_for_reconnect()
            await node.disconnect_free_connections()
        return
    await client.connection_pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]
    await client.connection_pool.disconnect(inuse_connections=False)


async def close(client: Client) -> None:
    """Close the client's connections, and those to its sentinels."""
    await client.aclose()
    if isinstance(client, RedisCluster):
        # aclose() closes nothing while the client means to look at its nodes anew, as after the loss of one.
        for nodes in ("nodes_cache", "startup_nodes"):
            await client.nodes_manager.aclose(nodes)
    if isinstance(client, Redis) and isinstance(client.connection_pool, SentinelConnectionPool):
        await client.connection_pool.sentinel_manager.aclose()


def _sentinel(url: StoreUrl, socket_seconds: float) -> Redis:
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        list(url.hosts),
        sentinel_kwargs={
            "username": url.options.get("sentinel_username"),
            "password": url.options.get("sentinel_password"),
            "retry": _never(),
            **_common(SENTINEL_SECONDS),
        },
    )
    options = {"db": url.db, "retry": _never(), **_common(socket_seconds), **_credentials(url)}
    client: Redis = sentinel.master_for(url.name, **options)
    return client


def _cluster(url: StoreUrl, socket_seconds: float) -> RedisCluster:
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in url.hosts],
        retry=_never(),
        require_full_coverage=False,  # agents whose slots are covered go on
        reinitialize_steps=0,  # a moved slot is noted; no connection that others wait on is closed for it
        dynamic_startup_nodes=False,  # the configured names outlive a cluster whose addresses all changed
        **_common(socket_seconds),
        **_credentials(url),
    )


def _never() -> Retry:
    return Retry(NoBackoff(), 0)


def _common(seconds: float) -> dict[str, Any]:
    """Return the options of every client. RESP2 is the same on every server and proxy, and has no push messages."""
    return {
        "protocol": 2,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "max_connections": MAX_CONNECTIONS,
    }


def _credentials(url: StoreUrl) -> dict[str, Any]:
    credentials = {"username": url.user, "password": url.password}
    return {name: value for name, value in credentials.items() if value}
