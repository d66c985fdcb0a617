"""Costs by day: each attempt once, on the day of its call, in bounded space; and what conversations have cost."""

import math
import random
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.store import RedisStore, connect
from gateway.store.cells import COST_SUMS, Cells
from gateway.store.costs import KEPT_DAYS, SPREAD_GAMMA, SUMS, DearConversation, cost_keys
from gateway.store.scripts import FLUSH
from gateway.store.seam import Batch
from tests.gateway.store.conftest import NewStore
from tests.support.cost_days import DAY, NOW, ROW, TODAY, KeptCosts, amounts


@pytest_asyncio.fixture
async def kept(redis_url: str, agent: str) -> AsyncIterator[KeptCosts]:
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    yield KeptCosts(client, store, agent)
    await store.aclose()


def spent(nano_usd: int) -> Cells:
    """A call of a conversation, and what it has cost."""
    cells = Cells()
    cells.tally("v1", "", 0.0).requests += 1
    cells.spending(0.0).row(ROW)[:] = amounts(1, nano_usd)
    cells.spending(0.0).add_conversation("v1", "c", nano_usd, "call")
    return cells


async def test_replicas_add_up_and_a_repetition_counts_once(new_store: NewStore, agent: str) -> None:
    """Whatever reply was lost: what is spent is spent once; a conversation that alternates is one."""
    one, other = new_store(), new_store()
    for store, sequence in ((one, 1), (one, 1), (other, 1), (one, 2)):
        await store.flush(agent, sequence, Batch(0, 0, spent(2_000_000)))
    today = int((await one.read(agent))[1] // DAY)
    (day,) = await one.costs(agent, today - 1, today)
    assert day.rows == {ROW: amounts(3, 6_000_000)} and day.day == today
    (conversation,) = day.conversations.values()
    assert (conversation.count, conversation.nano_usd, conversation.micro_squares) == (1, 6e6, 6000.0**2)
    assert day.top == [DearConversation("c", "v1", 6_000_000, "call")]


async def test_a_call_is_on_its_day(kept: KeptCosts) -> None:
    """Also one that comes late, or after a clock that has gone back over midnight; none is lost."""
    for now, age, nano_usd in (
        (NOW, 0, 1), (NOW, 11 * 3600, 10), (NOW + DAY, 0, 100), (NOW, 0, 1000), (NOW + DAY, 3 * DAY, 10_000),
        (NOW + DAY, 500 * DAY, 7),
    ):  # fmt: skip
        await kept.add(now, {ROW: amounts(1, nano_usd)}, age=age)
    found = {day.day: day.rows[ROW][SUMS.index("cost_nano_usd")] for day in await kept.days()}
    assert found == {TODAY - 2: 10_000, TODAY - 1: 10, TODAY: 1001, TODAY + 1: 100}


async def test_what_is_older_than_400_days_is_deleted(kept: KeptCosts) -> None:
    """And what a clock that was far ahead has left."""
    await kept.add(NOW + 900 * DAY, {ROW: amounts()})
    for day in range(0, 900, 45):
        await kept.add(NOW - (899 - day) * DAY, {ROW: amounts()})
    await kept.add(NOW, {ROW: amounts()})
    held = await kept.client.hkeys(cost_keys(kept.agent)[1])
    assert all(TODAY - KEPT_DAYS < int(day) <= TODAY for day in held) and len(held) == 8


async def test_rows_are_bounded(kept: KeptCosts) -> None:
    """Of very many the first of a day are told apart, then keys alone, and the sums of all others are kept."""
    await kept.add(NOW, {("v1", f"key/{number}", "p/m", ""): amounts(1, 5) for number in range(200)})
    (day,) = await kept.days()
    assert len(day.rows) == 129 and sum(row[0] for row in day.rows.values()) == 200
    assert day.rows["/other", "key/64", "", ""] == amounts(1, 5) and day.rows["/other", "", "", ""] == amounts(72, 360)


async def test_a_key_that_fills_the_rows_hides_nobodys_costs(kept: KeptCosts) -> None:
    """What others spend from then on is theirs still, also on a day that has ended."""
    await kept.add(NOW, {(f"p/{number}", "spammer", f"p/{number}", ""): amounts(1, 5) for number in range(70)})
    await kept.add(
        NOW, {("p/m", "team é", "p/m", "fallback"): amounts(1, 9), ("/other", "team é", "", ""): amounts(1, 1)}
    )
    await kept.add(NOW + DAY, {ROW: amounts()})
    ended, _ = await kept.days()
    assert ended.rows["/other", "spammer", "", ""] == amounts(6, 30)
    assert ended.rows["/other", "team é", "", ""] == amounts(2, 10)


async def test_odd_names_are_read_back(kept: KeptCosts) -> None:
    """A plain model's name may hold what separates our fields."""
    row = ("p/m|1", 'a"b', "p/m|x\\y", "fallback")
    await kept.add(NOW - DAY, {row: amounts()})
    await kept.add(NOW, {row: amounts()})
    assert [day.rows for day in await kept.days()] == [{row: amounts()}] * 2


async def test_the_spread_is_that_of_whole_conversations(kept: KeptCosts) -> None:
    """However many calls each has: count, mean, variance and histogram are those of what each has cost in the end."""
    rng, totals = random.Random(1), {f"c{number}": 0 for number in range(60)}
    for number in range(400):
        conversation, nano_usd = rng.choice(list(totals)), rng.randrange(1_000_000, 90_000_000)
        totals[conversation] += nano_usd
        await kept.add(NOW + number, {}, {("v1", conversation): nano_usd})
    (day,) = await kept.days()
    found, costs = day.conversations["v1"], [cost for cost in totals.values() if cost]
    assert (found.count, found.nano_usd) == (len(costs), sum(costs))
    assert found.micro_squares == pytest.approx(sum((cost / 1000) ** 2 for cost in costs), rel=1e-4)
    buckets = {bucket: count for bucket, count in found.histogram.items() if count}
    expected = [math.ceil(math.log(cost) / math.log(SPREAD_GAMMA)) for cost in costs]
    assert buckets == {bucket: expected.count(bucket) for bucket in set(expected)}
    dearest = sorted(costs, reverse=True)[:10]
    assert sorted((each.nano_usd for each in day.top), reverse=True) == dearest


async def test_a_conversation_over_midnight_is_one(kept: KeptCosts) -> None:
    """It is counted on its first day, and over both days it has cost what it has cost."""
    await kept.add(NOW, {}, {("v1", "c"): 1_000_000})
    await kept.add(NOW + DAY, {}, {("v1", "c"): 2_000_000, ("v2", "c"): 5})
    first, second = [day.conversations["v1"] for day in await kept.days()]
    first.merge(second)
    assert (first.count, first.nano_usd, first.micro_squares) == (1, 3e6, 3000.0**2)
    assert sorted(first.histogram.values()) == [0, 1]


async def test_conversations_are_remembered_in_bounded_space(kept: KeptCosts) -> None:
    """The oldest are forgotten; each hash holds ten thousand, some 100 bytes each."""
    for number in range(0, 23_000, 1000):
        names = {("v1", f"{number + index:016x}"): 1000 for index in range(1000)}
        await kept.add(NOW, {}, names)
    sizes = [await kept.client.hlen(name) for name in cost_keys(kept.agent)[2:]]
    used = [await kept.client.memory_usage(name, samples=0) or 0 for name in cost_keys(kept.agent)[2:]]
    assert max(sizes) <= 10_000 and sum(used) < 2_500_000
    (day,) = await kept.days()
    assert day.conversations["v1"].count == 23_000


def test_an_intervals_conversations_are_bounded() -> None:
    """Who sends a million ids fills no memory; rows stay exact."""
    cells = Cells()
    for number in range(10_000):
        cells.tally("v1", "", 0.0)
        cells.spending(0.0).add_conversation("v1", str(number), 1, "call")
    assert len(cells.spending(0.0).conversations) == 2_000


def test_what_was_spent_during_an_outage_is_merged() -> None:
    """Intervals widen, and rows and conversations with them; the latest call holds."""
    cells = Cells()
    for second in range(2000):
        cells.tally("v1", "", float(second))
        cells.spending(float(second)).row(ROW)[0] += 1
        cells.spending(float(second)).add_conversation("v1", "c", 1, f"call {second}")
    spendings = [spending for _, spending in cells.aged_spending()]
    assert len(spendings) < 100 and sum(spending.rows[ROW][0] for spending in spendings) == 2000
    assert sum(spending.conversations["v1", "c"][0] for spending in spendings) == 2000
    assert spendings[-1].conversations["v1", "c"][1] == "call 1999"


def test_lua_and_python_agree_on_costs() -> None:
    """For how long days are kept, and how wide a bucket is."""
    assert re.search(rf"KEPT_DAYS = 24 \* 3600, {KEPT_DAYS}\n", FLUSH.text) and len(SUMS) == COST_SUMS
    assert (match := re.search(r"LOG_COARSE_GAMMA = (\d+) \* math.log\(([\d.]+)\)", FLUSH.text))
    assert float(match[2]) ** int(match[1]) == pytest.approx(SPREAD_GAMMA)


async def test_a_year_of_costs_stays_small(kept: KeptCosts) -> None:
    """Two versions, five keys and a fallback: about a megabyte."""
    rows = {
        (version, f"key-{caller}", target, part): [50_000, 90_000_000, 9_000_000, 11_000_000, 0, 10**11 + caller, 0, 12]
        for version in ("v1", "v2")
        for caller in range(5)
        for target, part in (("openai/gpt-4o", ""), ("anthropic/claude-sonnet-4-5", "fallback"))
    }
    for day in range(20):
        await kept.add(NOW + day * DAY, rows, {("v1", str(number)): 10**number for number in range(6, 12)})
    used = await kept.client.memory_usage(cost_keys(kept.agent)[1], samples=0)
    assert used is not None and used * KEPT_DAYS / 20 < 1_200_000
