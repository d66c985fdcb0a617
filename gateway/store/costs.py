"""The store's part for costs: what calls have cost by day, read back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from gateway.store.cells import Cells, CostRow
from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import DAYS
from policies.evidence.tally import GAMMA

# Of a row; calls are counted with the attempt that answered, `unpriced` and `estimated` are attempts.
SUMS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_nano_usd", "unpriced",
        "estimated")  # fmt: skip
KEPT_DAYS = 400
DAY_SECONDS = 24 * 3600
OTHER = "/other"  # in place of a row's version, where a day has too many rows, or its model has never answered
SPREAD_GAMMA = GAMMA**4  # ratio of neighbouring bucket bounds of conversations' costs, in nano-USD


@dataclass(slots=True)
class ConversationCosts:
    """Costs of one version's conversations: how many began, the sum in nano-USD, the sum of the squares in micro-USD,
    and a histogram of bucket → conversations. A conversation that goes on over midnight is
    counted on the day of its beginning, and its cost as it grew; so a day's histogram may be below zero.
    """

    count: int = 0
    nano_usd: float = 0.0
    micro_squares: float = 0.0
    histogram: dict[int, int] = field(default_factory=dict)

    def merge(self, other: "ConversationCosts") -> None:
        """Add those of another day."""
        self.count += other.count
        self.nano_usd += other.nano_usd
        self.micro_squares += other.micro_squares
        for bucket, count in other.histogram.items():
            self.histogram[bucket] = self.histogram.get(bucket, 0) + count


class DearConversation(NamedTuple):
    """Conversation that is among the dearest of its day, with the id of its latest call."""

    conversation: str
    version: str
    nano_usd: int
    call_id: str


@dataclass(frozen=True, slots=True)
class DayCosts:
    """Costs of an agent's calls on a day (UTC), in days since 1970; `rows` are in the order of `SUMS`."""

    day: int
    rows: Mapping[CostRow, Sequence[int]]
    conversations: Mapping[str, ConversationCosts]
    top: Sequence[DearConversation] = ()


class CostStore:
    """The operations of `RedisStore` on costs."""

    async def costs(self: Reaching, agent: str, first: int, last: int) -> list[DayCosts]:
        first = max(first, last - KEPT_DAYS + 1)
        async with self._reach():
            running, ended = await self._run(DAYS, cost_keys(agent)[:2], (first, last))
        days = {int(number): _ended(int(number), text) for number, text in zip(ended[::2], ended[1::2], strict=True)}
        if (today := _running(dict(zip(running[::2], running[1::2], strict=True)))) and first <= today.day <= last:
            days[today.day] = _merged(today, days.get(today.day))
        return [days[number] for number in sorted(days)]


def cost_keys(agent: str) -> tuple[str, str, str, str]:
    """The keys of costs.lua."""
    kinds = (("open",), ("ended",), ("conversations", "new"), ("conversations", "old"))
    open_, ended, new, old = (key_of(agent, "costs", *parts) for parts in kinds)
    return open_, ended, new, old


def encode_costs(cells: Cells) -> list[tuple[float, list[Any], list[Any]]]:
    """The argument of costs.lua: each interval's age, rows, and conversations."""
    return [
        (
            age,
            [(orjson.dumps(row).decode(), list(map(str, amounts))) for row, amounts in spending.rows.items()],
            [(*key, nano_usd, call_id) for key, (nano_usd, call_id) in spending.conversations.items()],
        )
        for age, spending in cells.aged_spending()
    ]


def _ended(day: int, text: str) -> DayCosts:
    held = orjson.loads(text)
    rows = {_row(name): [int(amount) for amount in amounts[: len(SUMS)]] for name, amounts in held["rows"].items()}
    return DayCosts(day, rows, _conversations(held["sums"].items()), _top(held.get("top") or ()))


def _running(fields: dict[str, str]) -> DayCosts | None:
    day, _, top = fields.pop("day", None), fields.pop("rows", ""), fields.pop("top", "[]")
    if day is None:
        return None
    rows: dict[CostRow, list[int]] = {}
    for name in [name for name in fields if name.startswith("[")]:
        row, _, place = name.rpartition("|")
        sums = rows.setdefault(_row(row), [0] * len(SUMS))
        if (amount := fields.pop(name)) and int(place) <= len(sums):
            sums[int(place) - 1] = int(amount)
    return DayCosts(int(day), rows, _conversations(fields.items()), _top(orjson.loads(top)))


def _row(name: str) -> CostRow:
    version, caller, target, part = orjson.loads(name)
    return version, caller, target, part


def _top(rows: Iterable[Sequence[Any]]) -> list[DearConversation]:
    return [DearConversation(str(name), str(version), int(nano), str(call)) for name, version, nano, call, *_ in rows]


def _conversations(sums: Iterable[tuple[str, Any]]) -> dict[str, ConversationCosts]:
    found: dict[str, ConversationCosts] = {}
    for name, amount in sums:
        version, _, place = name.rpartition("|")
        _read_conversations(found.setdefault(version, ConversationCosts()), place, float(amount))
    return found


def _read_conversations(costs: ConversationCosts, place: str, amount: float) -> None:
    if place == "n":
        costs.count = int(amount)
    elif place == "sum":
        costs.nano_usd = amount
    elif place == "squares":
        costs.micro_squares = amount
    elif place.startswith("h"):
        costs.histogram[int(place[1:])] = int(amount)


def _merged(day: DayCosts, other: DayCosts | None) -> DayCosts:
    """Both parts of a day: late calls of a running day are never apart, but a clock may have gone back and forth."""
    if other is None:
        return day
    rows = {key: list(amounts) for key, amounts in day.rows.items()}
    for key, amounts in other.rows.items():
        rows[key] = [a + b for a, b in zip(rows.get(key, [0] * len(SUMS)), amounts, strict=True)]
    conversations = dict(day.conversations)
    for version, costs in other.conversations.items():
        conversations.setdefault(version, ConversationCosts()).merge(costs)
    return DayCosts(day.day, rows, conversations, [*day.top, *other.top])
