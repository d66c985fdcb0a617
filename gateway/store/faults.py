"""Translation of Redis failures into `StoreAway`.

Every exception of redis-py is mapped here and nowhere else. A server that cannot be reached is `StoreAway`; one that
answers with an error is `StoreRefused`, whatever the error is. No list of errors could be complete: servers, proxies
and permissions differ, and calls are served without the store in any case.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MovedError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from gateway.errors import StoreAway, StoreRefused

# On writing to a connection that was lost a moment ago uvloop raises RuntimeError, and redis-py AttributeError.
FAILURES = (RedisError, RedisClusterException, OSError, RuntimeError, AttributeError)

# redis-py makes connection errors of the last two.
_REFUSALS = (ResponseError, AuthenticationError, BusyLoadingError)
# A server that does not know a command repeats its arguments, and those of AUTH hold the password.
_ARGUMENTS = re.compile(r",? with args beginning with:.*", re.DOTALL)
_LONGEST_WORDS = 300


@contextmanager
def away_on_failure() -> Iterator[None]:
    """Raise `StoreAway` for every failure in the block, and `StoreRefused` where the server answered."""
    try:
        yield
    except MovedError as error:  # a client of a cluster follows it by itself
        raise StoreRefused(
            "the store refuses to serve: this server is a node of a Redis Cluster; "
            "write redis+cluster:// in place of redis:// in `store` (with TLS rediss+cluster://)"
        ) from error
    except _REFUSALS as error:
        raise StoreRefused(f"the store refuses to serve: {words_of(error)}") from error
    except TimeoutError as error:
        raise StoreAway("the store did not answer in time") from error
    except FAILURES as error:
        raise StoreAway(f"the store cannot be reached: {words_of(error)}") from error


def words_of(error: Exception) -> str:
    """The server's words on one line, without what we had sent to it."""
    code = getattr(error, "status_code", None)
    text = " ".join(_ARGUMENTS.sub("", str(error)).split())
    return (f"{code} {text}" if code and not text.startswith(code) else text)[:_LONGEST_WORDS]


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """Raise the cancellation that came in the block and got lost there.

    redis-py waits with `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that comes together with the
    result (python/cpython#86296, mended in 3.12); a task that loops would then never end.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
