"""From the URL of a store to a redis-py client that fails fast and never repeats a command.

redis-py's own defaults repeat a command whose reply was lost, which may have run: a count would be added twice, a won
commit would look lost. Here a failure reaches the caller, who knows what is safe to repeat.
"""

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, from_url
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

Client = Redis | RedisCluster

SOCKET_SECONDS = 1.0  # to connect, and for every read and write
SENTINEL_SECONDS = 0.5  # so that two dead sentinels leave time to ask a third within one operation
HEALTH_CHECK_SECONDS = 30  # a connection that was idle for so long is pinged before use
MAX_CONNECTIONS = 64  # per client, in a cluster per node
MAX_IN_FLIGHT = 32  # operations at once; below MAX_CONNECTIONS, for the pub/sub and the handshakes of a failover

_SENTINEL_PORT = 26379
_PORT = 6379
_PLAIN = ("redis", "rediss", "unix")
_SCHEMES = "redis://, rediss://, unix://, redis+sentinel://, redis+cluster://"
_TLS_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
_OPTIONS = {
    "redis": {"db"},
    "rediss": {"db"} | _TLS_OPTIONS,
    "unix": {"db"},
    "redis+sentinel": {"sentinel_username", "sentinel_password"},
    "redis+cluster": set[str](),
}


def connect(url: str) -> Client:
    """A client for the store at `url`; nothing is sent yet. Raises ValueError when the URL is not understood.

    redis+sentinel://[user:password@]host:port,host:port/service[/db] asks the sentinels for the primary;
    `?sentinel_password=` is for sentinels that want one. redis+cluster://[user:password@]host:port,host:port names
    some nodes of a cluster.
    """
    parts = urlsplit(url)
    _check(parts)
    if parts.scheme == "redis+sentinel":
        return _sentinel(parts)
    if parts.scheme == "redis+cluster":
        return _cluster(parts)
    return from_url(url, retry=_never(), **_common(SOCKET_SECONDS))


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


def _check(parts: SplitResult) -> None:
    if parts.scheme not in _OPTIONS:
        raise ValueError(f"unknown scheme {parts.scheme!r} of the store; write one of {_SCHEMES}")
    known = _OPTIONS[parts.scheme]
    for option, _ in parse_qsl(parts.query, keep_blank_values=True):
        if option not in known:
            raise ValueError(f"unknown option {option!r} of the store; known: {', '.join(sorted(known)) or 'none'}")
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("the store lacks the path of its socket; write unix:///run/redis.sock")
    if parts.scheme not in ("unix", "redis", "rediss") and not _hosts(parts, _PORT):
        raise ValueError(f"the store names no host; write {parts.scheme}://host:port")


def _sentinel(parts: SplitResult) -> Redis:
    service, _, db = parts.path.strip("/").partition("/")
    if not service or not (db or "0").isdecimal():
        raise ValueError("the store names no service; write redis+sentinel://host:26379/service or …/service/0")
    login = dict(parse_qsl(parts.query))
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        _hosts(parts, _SENTINEL_PORT),
        sentinel_kwargs={
            "username": login.get("sentinel_username"),
            "password": login.get("sentinel_password"),
            "retry": _never(),
            **_common(SENTINEL_SECONDS),
        },
    )
    options = {"db": int(db or 0), "retry": _never(), **_common(SOCKET_SECONDS), **_credentials(parts)}
    client: Redis = sentinel.master_for(unquote(service), **options)
    return client


def _cluster(parts: SplitResult) -> RedisCluster:
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in _hosts(parts, _PORT)],
        retry=_never(),
        require_full_coverage=False,  # agents whose slots are covered go on
        reinitialize_steps=0,  # a moved slot is noted; no connection that others wait on is closed for it
        dynamic_startup_nodes=False,  # the configured names outlive a cluster whose addresses all changed
        **_common(SOCKET_SECONDS),
        **_credentials(parts),
    )


def _never() -> Retry:
    return Retry(NoBackoff(), 0)


def _common(seconds: float) -> dict[str, Any]:
    """What every client shares. RESP2, for it is the same on every server and proxy and needs no push messages."""
    return {
        "protocol": 2,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "max_connections": MAX_CONNECTIONS,
    }


def _credentials(parts: SplitResult) -> dict[str, Any]:
    credentials = {"username": parts.username, "password": parts.password}
    return {name: unquote(value) for name, value in credentials.items() if value}


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    """The hosts of `user:password@host:port,host:port`, without the user."""
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return [_host(host, default_port) for host in hosts if host]


def _host(host: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname or "", parts.port or default_port
    except ValueError as error:
        raise ValueError(f"cannot read host {host!r} of the store: {error}") from error
