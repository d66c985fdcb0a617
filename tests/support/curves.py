"""The script that keeps sums by interval, at whatever time a test wants, and cells read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from gateway.history.curves import history_view, interval_of
from gateway.history.view import HistoryView
from gateway.store import RedisStore
from gateway.store.intervals import LENGTHS, history_keys
from gateway.store.reaching import key_of
from gateway.store.scripts import Script
from policies.evidence.tally import Tally

_TAIL = """
local function add(key, field, amount) redis.call('HINCRBY', key, field, amount) end
keep_history(KEYS[1], KEYS[2], tonumber(ARGV[1]), cjson.decode(ARGV[2]), add)
"""
_TEXT = Script.load("history.lua").text + _TAIL
NOW = 1_900_000_000.0  # a full hour, and more


@dataclass(frozen=True, slots=True)
class KeptHistory:
    """An agent's history in a store."""

    client: Redis
    store: RedisStore
    agent: str

    async def add(self, now: float, tallies: Mapping[tuple[str, str], Tally], age: float = 0.0) -> None:
        """Add sums by tally key and arm as a flush does at that time, of calls that ended `age` seconds before."""
        cells = [
            (age, key, arm, list(fields), list(map(str, fields.values())))
            for (key, arm), tally in tallies.items()
            if (fields := tally.to_fields())
        ]
        await self.run(_TEXT, *history_keys(self.agent), arguments=(repr(now), orjson.dumps(cells).decode()))

    async def run(self, text: str, *keys: str, arguments: Sequence[str] = ()) -> Any:
        """What that script returns."""
        return await self.client.eval(text, len(keys), *keys, *arguments)

    async def fields(self) -> list[str]:
        """The names of all intervals that have ended and are kept, as `<seconds>:<number>`."""
        names = await self.client.hkeys(history_keys(self.agent)[1])
        return [str(name) for name in names if ":" in str(name)]

    @property
    def points_key(self) -> str:
        """The key of the evidence's points."""
        return key_of(self.agent, "history", "evidence")

    async def points(self) -> dict[str, str]:
        """The evidence's points, as they are kept."""
        held = await self.client.hgetall(self.points_key)
        return {str(name): str(value) for name, value in held.items()}

    async def calls(self, since: float, until: float, seconds: int) -> dict[int, int]:
        """The calls of all series by when their interval begins."""
        read = await self.store.history(self.agent, since, until, seconds)
        sums = {number: sum(cell.sums[0] for cell in cells) for number, cells in read.cells.items()}
        return {number * seconds: calls for number, calls in sums.items()}

    async def view(self, since: float, until: float, step: int) -> HistoryView:
        """What the endpoint would answer."""
        read = await self.store.history(self.agent, since, until, interval_of(step, max(LENGTHS)))
        return history_view(self.agent, read, step, since, until)
