"""What a failing Redis is to the rest of the gateway: away.

Every exception of redis-py is mapped here and nowhere else. An error that a script or a command of ours provoked is a
bug and passes through; a server that is there but refuses everybody (loading, read only, full) is away.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import (
    AskError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)

from gateway.errors import StoreAway

# On writing to a connection that was lost a moment ago uvloop raises RuntimeError, and redis-py AttributeError.
FAILURES = (RedisError, RedisClusterException, OSError, RuntimeError, AttributeError)

_REFUSALS = (ReadOnlyError, ClusterDownError, OutOfMemoryError, NoPermissionError, TryAgainError, AskError)
# Before Redis 7 a refusal inside a script comes as `ERR Error running script …: -READONLY You can't write …`.
_REFUSAL_CODES = re.compile(r"(?:^|-)(?:LOADING|READONLY|BUSY|MASTERDOWN|CLUSTERDOWN|OOM|MISCONF|NOREPLICAS)\b")


@contextmanager
def away_on_failure() -> Iterator[None]:
    """Raise `StoreAway` for every failure in the block that is not a bug of ours."""
    try:
        yield
    except ResponseError as error:
        if not _refuses(error):
            raise
        raise StoreAway(f"the store refuses to serve: {error}") from error
    except TimeoutError as error:
        raise StoreAway("the store did not answer in time") from error
    except FAILURES as error:
        raise StoreAway(f"the store cannot be reached: {error}") from error


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


def _refuses(error: ResponseError) -> bool:
    return isinstance(error, _REFUSALS) or _REFUSAL_CODES.search(str(error)) is not None
