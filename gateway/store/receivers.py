"""The store's part for notices: which receivers have which one, so that no other replica tells them again."""

from gateway.store.reaching import Reaching, key_of
from gateway.store.sums import digest

HEARD_SECONDS = 90 * 24 * 3600  # a notice of a model's retirement may come two months before the day


class ReceiverStore:
    """The operations of `RedisStore` on the receivers of a notice."""

    async def load_receivers(self: Reaching, agent: str, key: str) -> frozenset[str]:
        async with self._reach():
            return frozenset(map(str, await self._client.hgetall(_key(agent, key))))

    async def add_receiver(self: Reaching, agent: str, key: str, receiver: str) -> None:
        async with self._reach():
            pipe = self._pipeline()
            pipe.hset(_key(agent, key), receiver, "1")
            pipe.expire(_key(agent, key), HEARD_SECONDS)
            await self._execute(pipe)


def _key(agent: str, key: str) -> str:
    return key_of(agent, "heard", digest(key).hex())
