"""The store's part for items of answers, by which later requests name them."""

from collections.abc import Mapping, Sequence
from itertools import islice

from gateway.store.reaching import Reaching

_PREFIX = "serinus:item:"
_AT_ONCE = 50


class ItemStore:
    """The operations of `RedisStore` on items."""

    async def keep_items(self: Reaching, items: Mapping[str, str], seconds: int) -> None:
        left = iter(items.items())
        async with self._reach():
            while portion := list(islice(left, _AT_ONCE)):
                pipe = self._pipeline()
                for name, text in portion:
                    pipe.set(_PREFIX + name, text, ex=seconds)
                await self._execute(pipe)

    async def find_items(self: Reaching, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        async with self._reach():
            for first in range(0, len(names), _AT_ONCE):
                portion = names[first : first + _AT_ONCE]
                pipe = self._pipeline()
                for name in portion:
                    pipe.get(_PREFIX + name)
                texts = await self._execute(pipe)
                found.update((name, text) for name, text in zip(portion, texts, strict=True) if text is not None)
        return found
