"""Store of limits: one hash a limit, and one script that grants leases of it."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from gateway.store.reaching import Reaching
from gateway.store.scripts import GRANT

LimitId = tuple[str, str, str, str]  # level, name, kind, window


class Grant(NamedTuple):
    """A grant: how much, in which slice, what counts of the limit now, and seconds until what was asked for is free.

    `had` is the number of this replica's last question before, as far as the store knows.
    """

    granted: int
    slice: str
    total: int
    frees_in: float
    now: float
    had: int = 0


class LimitStore:
    """Store of limits, a part of `RedisStore`."""

    async def grant(self: Reaching, limit: LimitId, question: Mapping[str, object]) -> Grant:
        """Give back, charge and lease, in one step: see `limits.lua`. A repetition changes nothing."""
        async with self._reach():
            message = orjson.dumps({**question, "replica": self._replica})
            granted, slice_, total, frees, now, had = await self._run(GRANT, (key_of_limit(limit),), (message,))
        return Grant(int(granted), slice_, int(total), float(frees), float(now), int(had))


def key_of_limit(limit: LimitId) -> str:
    """Return the key of a limit's count. Names may be a client's, of any length."""
    level, name, kind, window = limit
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"serinus:{{limit:{level}:{digest}}}:{kind}:{window}"
