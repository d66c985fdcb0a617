"""The minutes of a step: counts fall into the slot of the store's own minute, and two days of them stay small."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.store import Arm, RedisStore, SampleSums, connect
from gateway.store.scripts import FLUSH
from policies.evidence.evidence import WHOLE
from policies.evidence.tally import Tally
from policies.statistics.restarts import first_minute, slot
from tests.support.decisions import batch, beginning, failing

LAST = slot(48 * 60 - 1)  # of two days
COMPONENTS = ("errors", "latency_p90:0.75:1.1", "latency_p90:0.9:1.1", "quality")


class Aged:
    """A store whose evidence of epoch 1 can be made older than it is."""

    def __init__(self, client: Redis, agent: str) -> None:
        self.client = client
        self.agent = agent
        self.store = RedisStore(client, "replica")
        self.sequence = 0

    def key(self, *parts: str) -> str:
        return ":".join((f"serinus:{{{self.agent}}}", *parts))

    async def flush_at(self, minute: float, *, canary: Arm, stable: Arm | None = None) -> None:
        """Flush as if the evidence had begun that long ago."""
        self.sequence += 1
        now = (await self.store.read(self.agent))[1]
        await self.client.execute_command(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            "HSET", self.key("evidence", "1"), "began", repr(now - 60 * minute - 1)
        )
        await self.store.flush(self.agent, self.sequence, batch(stable=stable, canary=canary))


@pytest_asyncio.fixture
async def aged(redis_url: str, agent: str) -> AsyncIterator[Aged]:
    client = connect(redis_url)
    assert isinstance(client, Redis)
    aged = Aged(client, agent)
    await aged.store.commit(agent, beginning(), "config")
    yield aged
    await aged.store.aclose()


async def test_lua_and_python_agree_on_every_slot(aged: Aged) -> None:
    """The script's own function, over a hundred hours of minutes."""
    function = re.search(r"local function slot\(.*?\nend\n", FLUSH.text, re.DOTALL)
    assert function
    text = f"{function[0]} local found = {{}} for m = 0, 6000 do found[m + 1] = slot(m) end return found"
    assert await aged.client.eval(text, 0) == [slot(minute) for minute in range(6001)]


@pytest.mark.parametrize("minute", [0, 1, 31, 32, 59, 63, 64, 2879, 6000])
async def test_counts_fall_into_the_slot_of_the_minute(aged: Aged, minute: int) -> None:
    """Calls and bad units alike; and the step is as many minutes old."""
    await aged.flush_at(minute, stable=failing("x", requests=5), canary=failing("a", requests=2))
    sides = (await aged.store.snapshot(aged.agent)).sides
    assert sides.minute == minute
    assert sides.stable.requests == {slot(minute): 5}
    assert (sides.canary.requests, sides.canary.bad) == ({slot(minute): 2}, {"errors": {slot(minute): WHOLE}})


async def test_ended_slots_keep_their_sums(aged: Aged) -> None:
    """Also when the store's clock goes back to one of them, and when nothing was counted in some."""
    for minute, units in ((0, "ab"), (0, "c"), (1, "d"), (5, ""), (1, "ef"), (70, "g")):
        await aged.flush_at(minute, canary=failing(*units, requests=10))
    sides = (await aged.store.snapshot(aged.agent)).sides
    assert sides.canary.requests == {0: 20, 1: 20, 5: 10, slot(70): 10}
    assert sides.canary.bad == {"errors": {0: 3 * WHOLE, 1: 3 * WHOLE, slot(70): WHOLE}}
    assert (sides.canary.errors, sides.canary.bad_units) == (7, {"errors": 7})


async def test_a_late_score_begins_the_clock_too(aged: Aged) -> None:
    """A batch may hold something bad and no calls."""
    await aged.store.flush(aged.agent, 1, batch(canary=Arm(bad={"quality": {"a": 1}})))
    sides = (await aged.store.snapshot(aged.agent)).sides
    assert (sides.minute, sides.canary.bad) == (0, {"quality": {0: 1}})


async def test_two_days_of_a_step_stay_small(aged: Aged) -> None:
    """Every slot of both arms filled with large sums, four components, two means: far below 100 kB a rollout."""
    sums = SampleSums(10**6, 10**12, 10**15, {index: [10**11, 10**5] for index in range(32)})
    for minute in map(first_minute, range(LAST + 1)):
        bad = {component: {f"{minute}": WHOLE, f"{minute} too": WHOLE} for component in COMPONENTS}
        arm = Arm(10**6, 10**5, {"a"}, bad, {"cost": sums, "tokens": sums})
        await aged.flush_at(minute, stable=arm, canary=arm)
    evidence = (await aged.store.snapshot(aged.agent)).sides
    assert len(evidence.canary.requests) == len(evidence.stable.bad["quality"]) == LAST + 1
    assert (await aged.client.memory_usage(aged.key("evidence", "1"), samples=0) or 0) < 50_000


async def test_tallies_alone_do_not_begin_the_clock(aged: Aged) -> None:
    """Calls that a rule or a pin assigned are no evidence, so the step does not age by them."""
    await aged.store.flush(aged.agent, 1, batch(tallies={"v2/apart": Tally(requests=1)}))
    assert await aged.client.exists(aged.key("evidence", "1")) == 0
