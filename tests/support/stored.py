"""All that a store holds, to look for what should not be there."""

from typing import Any

from redis.asyncio import Redis

EXPIRED = b"none"
"""The type of a key that expired between being listed and being read."""


async def stored(redis_url: str) -> bytes:
    """All that the store holds, as text."""
    client: Any = Redis.from_url(redis_url, decode_responses=False)
    readers = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"stream": client.xrange,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: client.lrange(key, 0, -1),
    }
    try:
        kinds = [(key, await client.type(key)) async for key in client.scan_iter(count=1000)]
        values = [key + repr(await readers[kind](key)).encode() for key, kind in kinds if kind != EXPIRED]
        return b"\n".join(values)
    finally:
        await client.aclose()
