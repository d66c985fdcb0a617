"""Beginnings of conversations, shared by the replicas: a stream that all of them write and follow.

One stream for all agents, so that a replica waits for a single key. It holds digests of units alone, and nothing that
is older than conversations are remembered.
"""

from collections.abc import Sequence
from typing import Any

from gateway.store.connect import SOCKET_SECONDS
from gateway.store.reaching import Reaching

STREAM = "serinus:conversations"
LONGEST_WAIT_SECONDS = SOCKET_SECONDS / 2  # of one read: the server must answer before the socket times out
_AT_ONCE = 100  # messages of one read
_MILLISECONDS = 1_000


class BeginningStore:
    """Store of conversations' beginnings, a part of `RedisStore`."""

    async def tell(self: Reaching, messages: Sequence[str], since: float) -> None:
        """Add messages to the stream, which keeps what came after `since` in Unix seconds."""
        oldest = max(0, int(since * _MILLISECONDS))
        async with self._reach():
            pipe = self._pipeline()
            for message in messages:
                fields: Any = {"from": self._replica, "begun": message}
                pipe.xadd(STREAM, fields, minid=oldest, approximate=True)
            await self._execute(pipe)

    async def read_messages(self: Reaching, after: str, wait: bool) -> tuple[str, list[tuple[str, str]]]:
        """Return the place of the last message that was read, and other replicas' messages after `after`.

        Each with the name of its replica.

        With `wait` the first message is waited for, for half a second at most; a read that ends empty is no failure.
        """
        seconds = min(LONGEST_WAIT_SECONDS, self._deadline / 2)
        async with self._reach():
            block = max(1, int(seconds * _MILLISECONDS)) if wait else None
            streams: Any = await self._client.xread({STREAM: after}, count=_AT_ONCE, block=block)
        entries = streams[0][1] if streams else []
        messages = ((fields.get("from", ""), fields["begun"]) for _, fields in entries)
        others = [(replica, message) for replica, message in messages if replica != self._replica]
        return (entries[-1][0] if entries else after), others

    async def has_message(self: Reaching, place: str) -> bool:
        """Return whether the message of that place is still there."""
        async with self._reach():
            return bool(await self._client.xrange(STREAM, min=place, max=place, count=1))
