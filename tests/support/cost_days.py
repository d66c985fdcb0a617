"""The script that keeps costs by day, at whatever time a test wants."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from redis.asyncio import Redis

from gateway.store import RedisStore
from gateway.store.cells import Cells, CostRow
from gateway.store.costs import DayCosts, cost_keys, encode_costs
from gateway.store.scripts import Script

_TAIL = """
local function add(key, field, amount) redis.call('HINCRBY', key, field, amount) end
keep_costs(KEYS, tonumber(ARGV[1]), cjson.decode(ARGV[2]), add)
"""
_TEXT = Script.load("costs.lua").text + _TAIL
DAY = 24 * 3600.0
NOW = 22_000 * DAY + 10 * 3600.0  # ten o'clock of a day
TODAY = 22_000
ROW: CostRow = ("v1", "web", "p/m", "")


def amounts(calls: int = 1, nano_usd: int = 1000) -> list[int]:
    """So many calls, what they took and what they cost."""
    return [calls, 10 * calls, 0, 5 * calls, 0, nano_usd, 0, 0]


@dataclass(frozen=True, slots=True)
class KeptCosts:
    """An agent's costs in a store."""

    client: Redis
    store: RedisStore
    agent: str

    async def add(
        self,
        now: float,
        rows: Mapping[CostRow, list[int]] | None = None,
        conversations: Mapping[tuple[str, str], int] | None = None,
        age: float = 0.0,
    ) -> None:
        """Add rows, and what conversations of a version have cost, as a flush does at that time."""
        cells = Cells(sent_at=1000.0)
        cells.tally("v1", "", 1000.0 - age)
        spending = cells.spending(1000.0 - age)
        for row, added in (rows or {}).items():
            spending.row(row)[:] = added
        for (version, conversation), nano_usd in (conversations or {}).items():
            spending.add_conversation(version, conversation, nano_usd, f"call of {conversation}")
        await self.client.eval(_TEXT, 4, *cost_keys(self.agent), repr(now), orjson.dumps(encode_costs(cells)).decode())

    async def days(self) -> list[DayCosts]:
        """What is kept of each day up to tomorrow."""
        return await self.store.costs(self.agent, 0, TODAY + 1)
