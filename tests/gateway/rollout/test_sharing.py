"""Two replicas that share what they know of conversations under way, over a real store."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic, time

from gateway import logs
from gateway.errors import StoreAway
from gateway.rollout.recorder import Clock
from gateway.rollout.sharing import PAUSES, Sharing, _encoded
from gateway.rollout.table import Table
from gateway.rollout.under_way import UnderWay
from gateway.rollout.weighing import unit_id
from gateway.store import RedisStore, connect
from routing.plan import Beginning, Plan
from tests.support.redis_servers import until
from tests.support.trials import agent_named


class Replica:
    """What of a replica shares."""

    def __init__(self, name: str, url: str, agent: str, pauses: tuple[float, float] = PAUSES) -> None:
        self.agent = agent
        self.store = RedisStore(connect(url), name)
        self.out = io.BytesIO()
        table = Table()
        table.install({agent: replace(agent_named(agent), idle=60.0)})
        entry = table.entry(agent)
        assert entry
        self.entry = entry
        self.under_way = UnderWay(monotonic)
        self.sharing = Sharing(self.store, table, self.under_way, Clock(monotonic, time), logs.to(self.out), pauses)

    def call(self, unit: str) -> None:
        self.under_way.follow(Plan(self.entry.split.stable, "split", unit, ()), self.entry, monotonic())

    async def knows(self, unit: str) -> bool:
        """Whether a call of the unit would be nothing new here."""
        self.under_way.take(1000)
        self.call(unit)
        return not self.under_way.take(1000)


@asynccontextmanager
async def replica(name: str, url: str, agent: str, pauses: tuple[float, float] = PAUSES) -> AsyncIterator[Replica]:
    """A replica that shares in the background."""
    made = Replica(f"{name} of {agent}", url, agent, pauses)
    tasks = [asyncio.create_task(work()) for work in (made.sharing.tell_for_ever, made.sharing.follow_for_ever)]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.store.aclose()


async def test_another_replica_hears_of_a_new_conversation(redis_url: str, agent: str) -> None:
    """While both run."""
    async with replica("one", redis_url, agent) as one, replica("other", redis_url, agent) as other:
        one.call("a")
        heard = other.under_way._agents
        await until(lambda: _true(agent in heard))
        assert await other.knows("a") and not await other.knows("b")


async def test_a_turn_that_is_expected_is_told_without_a_pause(redis_url: str, agent: str) -> None:
    """Also just after something else was told: it may come at once, at another replica."""
    never = (3600.0, 3600.0)
    async with replica("one", redis_url, agent, never) as one, replica("other", redis_url, agent) as other:
        one.call("a")
        await until(lambda: _true(other.under_way.knows(agent, "a")))
        one.under_way.expect("after a", Plan(one.entry.split.stable, "split", "a", ()), one.entry)
        await until(lambda: _true(other.under_way.knows(agent, "after a")))


async def test_a_replica_that_starts_reads_what_was_said_before(redis_url: str, agent: str) -> None:
    """Before it serves."""
    async with replica("one", redis_url, agent) as one:
        one.call("a")
        await one.sharing.finish()
    other = Replica("other", redis_url, agent)
    await other.sharing.catch_up()
    assert await other.knows("a")
    await other.store.aclose()


async def test_a_long_stream_is_read_to_its_end_before_the_replica_serves(redis_url: str, agent: str) -> None:
    """While the store answers, however many portions there are: the youngest conversations come last."""
    one, other = Replica("one", redis_url, agent), Replica("other", redis_url, agent)
    read, portions = other.store.read_messages, iter(range(6))
    one.call("a")
    await one.sharing.finish()

    async def read_slowly(after: str, wait: bool) -> tuple[str, list[tuple[str, str]]]:
        if (number := next(portions, None)) is None:
            return await read(after, wait)
        await asyncio.sleep(0.3)
        return f"0-{number + 1}", []  # before whatever the stream has

    other.store.read_messages = read_slowly  # type: ignore[method-assign]
    reading = asyncio.create_task(other.sharing.catch_up())
    await asyncio.wait([reading], timeout=30)
    assert await other.knows("a")
    await asyncio.gather(one.store.aclose(), other.store.aclose())


async def test_a_store_that_is_away_hears_of_it_later(redis_url: str, agent: str) -> None:
    """It is said once in the log, and what was not said is not lost."""
    one = Replica("one", redis_url, agent)
    tell = one.store.tell

    async def fail(messages: object, since: float) -> None:
        raise StoreAway("away")

    one.store.tell = fail  # type: ignore[method-assign]
    one.call("a")
    await one.sharing.finish()
    await one.sharing.finish()
    one.store.tell = tell  # type: ignore[method-assign]
    await one.sharing.finish()
    other = Replica("other", redis_url, agent)
    await other.sharing.catch_up()
    assert await other.knows("a")
    assert one.out.getvalue().count(b"conversations_not_shared") == 1
    await asyncio.gather(one.store.aclose(), other.store.aclose())


async def test_a_later_turn_is_shared_with_the_unit_that_drew_its_arm(redis_url: str, agent: str) -> None:
    """In 8 bytes more; a replica that knows nothing of it reads two units of no step, and keeps their version."""
    one, other = Replica("one", redis_url, agent), Replica("other", redis_url, agent)
    one.under_way.expect("after a", Plan(one.entry.split.stable, "split", "a", ()), one.entry)
    begun = one.under_way.take(500)
    one.under_way.give_back(begun)
    digest = one.entry.split.stable.digest
    assert _encoded(begun[0]) == f'["{agent}","0","{digest}",0,"{unit_id("after a")}{unit_id("a")}"]'
    await one.sharing.finish()
    await other.sharing.catch_up()
    assert other.under_way._agents[agent].newest[unit_id("after a")] == Beginning(0, digest, 0, unit_id("a"))
    await asyncio.gather(one.store.aclose(), other.store.aclose())


async def test_what_is_no_message_of_ours_is_passed_over(redis_url: str, agent: str) -> None:
    """Whoever else writes there breaks nothing."""
    one, other = Replica("one", redis_url, agent), Replica("other", redis_url, agent)
    strange = ["{", "[1]", "[]", f'["{agent}", "x", 1, 2, 5]', '["nobody", 1, "d", 1, "u"]']
    await one.store.tell(strange, 0.0)
    one.call("a")
    await one.sharing.finish()
    await other.sharing.catch_up()
    assert await other.knows("a")
    await asyncio.gather(one.store.aclose(), other.store.aclose())


async def _true(value: bool) -> bool:
    return value
