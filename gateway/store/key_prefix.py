"""Another prefix of the keys, where several installations share one server or one Cluster, which has no databases.

The store's own code names every key and the channel `serinus:…`. A client with a prefix renames them where they go out;
the hash tag stays, so all keys of an agent share a slot as before. Clients without one are redis-py's own.
"""

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline, RedisCluster

OWN: Final = "serinus"
_ALL: Final = frozenset({"DEL", "EXISTS"})  # whose arguments are keys, all of them
_SCRIPTS: Final = frozenset({"EVAL", "EVALSHA"})  # a script, the number of keys, the keys
_STREAMS: Final = frozenset({"XREAD", "XREADGROUP"})  # after STREAMS, as many keys as places
_FIRST: Final = 1


class PrefixedRedis(Redis):
    """A client of one server, or of the primary that sentinels name."""

    key_prefix = OWN

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        run: Any = super().execute_command
        return await run(*rename_keys(args, self.key_prefix), **options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        made = _PrefixedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.key_prefix = self.key_prefix
        return made


class PrefixedCluster(RedisCluster):
    """A client of a Cluster. A command that is sent again to another node has its new names already, and keeps them."""

    key_prefix = OWN

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await super().execute_command(*rename_keys(args, self.key_prefix), **options)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        kind: Any = _PrefixedClusterPipeline  # for mypy it is abstract
        made: _PrefixedClusterPipeline = kind(self, transaction)
        made.key_prefix = self.key_prefix
        return made


class _PrefixedPipeline(Pipeline):
    key_prefix = OWN

    def pipeline_execute_command(self, *args: Any, **options: Any) -> Pipeline:
        stage: Any = super().pipeline_execute_command
        stage(*rename_keys(args, self.key_prefix), **options)
        return self


class _PrefixedClusterPipeline(ClusterPipeline):
    key_prefix = OWN

    def execute_command(self, *args: Any, **options: Any) -> ClusterPipeline:
        return super().execute_command(*rename_keys(args, self.key_prefix), **options)


def renamed(client: Redis | RedisCluster, name: str) -> str:
    """Return a name of ours as that client's installation has it, for what is no key: the channel."""
    return _renamed(name, getattr(client, "key_prefix", OWN))


def rename_keys(args: Sequence[Any], prefix: str) -> list[Any]:
    """Return a command whose keys have that prefix in place of ours. What else begins so is left as it is."""
    found = list(args)
    for place in _places(found):
        if isinstance(found[place], str):
            found[place] = _renamed(found[place], prefix)
    return found


def _places(args: Sequence[Any]) -> range:
    """Return where the keys of a command stand. All commands of ours have them side by side."""
    name = str(args[0]).upper()
    if name in _SCRIPTS:
        return range(3, 3 + int(args[2]))
    if name in _ALL:
        return range(_FIRST, len(args))
    if name in _STREAMS:
        first = next(place for place, word in enumerate(args) if word in ("STREAMS", b"STREAMS")) + 1
        return range(first, first + (len(args) - first) // 2)
    return range(_FIRST, min(len(args), _FIRST + 1))


def _renamed(name: str, prefix: str) -> str:
    return f"{prefix}{name[len(OWN) :]}" if name.startswith(f"{OWN}:") else name
