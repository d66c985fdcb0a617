"""The money of a run: each call reserves what it may cost before it goes out, so that the limit holds."""

import asyncio

from evals.money import to_usd


class LimitReached(Exception):
    """The next call might go beyond the limit, and none is under way whose reservation could become free."""


class CostLimit:
    """Spent and reserved sums, in nano-dollars. `limit` is None where nothing bounds them."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.spent = 0
        self._reserved = 0
        self._freed = asyncio.Event()

    async def reserve(self, most: int) -> None:
        """Reserve what a call may cost at most; wait while other calls may still leave enough. Raises LimitReached."""
        while self.limit is not None and self.spent + self._reserved + most > self.limit:
            if not self._reserved:
                spent, limit = to_usd(self.spent), to_usd(self.limit)
                raise LimitReached(f"{spent:.6f} USD are spent, and the next call might go beyond {limit:g} USD")
            self._freed.clear()
            await self._freed.wait()
        self._reserved += most

    def settle(self, reserved: int, cost: int) -> None:
        """Replace a reservation by what the call has cost."""
        self._reserved -= reserved
        self.spent += cost
        self._freed.set()
