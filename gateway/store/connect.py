"""A redis-py client for the URL of a store. It fails fast and never repeats a command.

redis-py's own defaults repeat a command whose reply was lost, which may have run: a count would be added twice, a won
commit would look lost. Here a failure reaches the caller, who knows what is safe to repeat.
"""

from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from redis.asyncio import Redis, SSLConnection
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff

from gateway.config.store_url import StoreUrl, read_store_url
from gateway.store.key_prefix import PrefixedCluster, PrefixedRedis
from gateway.store.passwords import RotatingPassword, rotating_password
from gateway.store.sentinels import Sentinels

Client = Redis | RedisCluster
ClientT = TypeVar("ClientT", Redis, RedisCluster)

SOCKET_SECONDS = 1.0  # to connect, and for every read and write
SENTINEL_SECONDS = 0.5  # so that two dead sentinels leave time to ask a third within one operation
HEALTH_CHECK_SECONDS = 30  # a connection that was idle for so long is pinged before use
MAX_CONNECTIONS = 64  # per client, in a cluster per node
MAX_IN_FLIGHT = 32  # operations at once; below MAX_CONNECTIONS, for the pub/sub and the handshakes of a failover
_TLS_TEXTS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")


def connect(url: str, socket_seconds: float = SOCKET_SECONDS) -> Client:
    """A client for the store at `url`; nothing is sent yet. Raises ValueError when the URL is not understood.

    redis+sentinel://[user:password@]host:port,host:port/service[/db] asks the sentinels for the primary;
    `?sentinel_password=` is for sentinels that want one. redis+cluster://[user:password@]host:port,host:port names
    some nodes of a cluster. `rediss` in place of `redis` is TLS, with sentinels and all nodes. `socket_seconds` bounds
    connecting, and every read and write.
    """
    read = read_store_url(url)
    options = {**_common(socket_seconds), **_tls(read), **_login(read)}
    if read.scheme.endswith("+sentinel"):
        return _sentinel(read, options)
    if read.scheme.endswith("+cluster"):
        return _cluster(read, options)
    kind = PrefixedRedis if read.prefix else Redis
    if read.scheme == "unix":
        local: Redis = kind.from_url(f"unix://{quote(read.name)}", db=read.db, **options)
        return _prefixed(local, read)
    ((host, port),) = read.hosts
    return _prefixed(kind(host=host, port=port, db=read.db, **options), read)


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
    if (password := password_of(client)) is not None:
        password.forget()
    if isinstance(client, RedisCluster):
        for node in client.get_nodes():
            node.update_active_connections_for_reconnect()
            await node.disconnect_free_connections()
        return
    await client.connection_pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]
    await client.connection_pool.disconnect(inuse_connections=False)


def forget_certificates(client: Client) -> None:
    """Let connections that are closed now read their certificates anew: files of keys are renewed while we run."""
    for connection in _connections(client):
        if isinstance(connection, SSLConnection) and not connection.is_connected:
            connection.ssl_context.context = None


def password_of(client: Client) -> RotatingPassword | None:
    """Return where the client's password comes from, None where it never changes."""
    pool: Any = client if isinstance(client, RedisCluster) else client.connection_pool
    options = pool.get_connection_kwargs() if isinstance(client, RedisCluster) else pool.connection_kwargs
    found = options.get("credential_provider")
    return found if isinstance(found, RotatingPassword) else None


async def renew(client: Client) -> None:
    """Dial anew with the newest password before the server ends connections that were made with an old one."""
    if (password := password_of(client)) is not None and password.is_due():
        await disconnect(client)


async def close(client: Client) -> None:
    """Close the client's connections, and those to its sentinels."""
    if (password := password_of(client)) is not None:
        password.stop()
    await client.aclose()
    if isinstance(client, RedisCluster):
        # aclose() closes nothing while the client means to look at its nodes anew, as after the loss of one.
        for nodes in ("nodes_cache", "startup_nodes"):
            await client.nodes_manager.aclose(nodes)
    if isinstance(client, Redis) and isinstance(client.connection_pool, SentinelConnectionPool):
        await client.connection_pool.sentinel_manager.aclose()


def _connections(client: Client) -> Iterator[object]:
    """Yield the connections that a client keeps, open and closed ones, with those to its sentinels."""
    if isinstance(client, RedisCluster):
        for node in (*client.get_nodes(), *client.nodes_manager.startup_nodes.values()):
            yield from node._connections
        return
    pool = client.connection_pool
    yield from pool._available_connections
    if isinstance(pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            yield from sentinel.connection_pool._available_connections


def _sentinel(url: StoreUrl, options: dict[str, Any]) -> Redis:
    asking = {**_common(SENTINEL_SECONDS), **_tls(url)}
    sentinel = Sentinels(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        list(url.hosts),
        sentinel_kwargs={
            "username": url.options.get("sentinel_username"),
            "password": url.options.get("sentinel_password"),
            **asking,
        },
    )
    kind = PrefixedRedis if url.prefix else Redis
    client: Redis = sentinel.master_for(url.name, kind, db=url.db, **options)
    return _prefixed(client, url)


def _cluster(url: StoreUrl, options: dict[str, Any]) -> RedisCluster:
    kind = PrefixedCluster if url.prefix else RedisCluster
    client = kind(
        startup_nodes=[ClusterNode(host, port) for host, port in url.hosts],
        require_full_coverage=False,  # agents whose slots are covered go on
        reinitialize_steps=0,  # a moved slot is noted; no connection that others wait on is closed for it
        dynamic_startup_nodes=False,  # the configured names outlive a cluster whose addresses all changed
        **options,
    )
    return _prefixed(client, url)


def _prefixed(client: ClientT, url: StoreUrl) -> ClientT:
    if isinstance(client, PrefixedRedis | PrefixedCluster):
        client.key_prefix = url.prefix
    return client


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
        "driver_info": None,  # no CLIENT SETINFO, which a user with few permissions may not send
        "retry": Retry(NoBackoff(), 0),
    }


def _tls(url: StoreUrl) -> dict[str, Any]:
    if not url.is_encrypted:
        return {}
    files = {name: url.options[name] for name in _TLS_TEXTS if name in url.options}
    checks = url.is_on("ssl_check_hostname") or "ssl_check_hostname" not in url.options
    return {"ssl": True, "ssl_check_hostname": checks, **files}


def _login(url: StoreUrl) -> dict[str, Any]:
    if (password := rotating_password(url)) is not None:
        return {"credential_provider": password}
    credentials = {"username": url.user, "password": url.password}
    return {name: value for name, value in credentials.items() if value}
