"""Turns of conversations in the store: counted over all replicas, for a fixed time from the beginning of each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.store import MAX_FAILING_UNITS, Arm, RedisStore, connect
from gateway.store.reaching import key_of
from gateway.store.seam import UnitTurns
from policies.evidence.evidence import WHOLE, ArmEvidence
from policies.evidence.turns import CALLS, MARKS, WINDOW_MINUTES, reached, resolved, turns_of
from tests.support.decisions import batch, beginning

AFTER = 2 * WINDOW_MINUTES  # minutes in which the time of the first window's conversations is over


@dataclass
class Watched:
    """An agent's turns over several replicas, at whatever minute of the step a test wants."""

    client: Redis
    agent: str
    stores: list[RedisStore]
    sequences: dict[int, int] = field(default_factory=dict)

    async def count(self, canary: bool, replica: int = 0, /, **units: UnitTurns) -> int:
        """Flush these units of one arm; return the sequence."""
        arm = Arm(turns=units, party_of={unit: "c1" for unit in units if unit.startswith("mine")})
        sequence = self.sequences[replica] = self.sequences.get(replica, 0) + 1
        await self.stores[replica].flush(self.agent, sequence, batch(canary=arm) if canary else batch(stable=arm))
        return sequence

    async def be_in(self, minute: int) -> None:
        """Let the step have begun so many minutes ago."""
        now = (await self.stores[0].read(self.agent))[1]
        await self.client.hset(key_of(self.agent, "evidence", 1), "began", str(now - 60 * minute - 1))

    async def arms(self, minute: int = AFTER) -> tuple[ArmEvidence, ArmEvidence]:
        """What is known in that minute of stable and of the canary."""
        await self.be_in(minute)
        sides = (await self.stores[0].snapshot(self.agent)).sides
        return sides.stable, sides.canary

    @property
    def hashes(self) -> tuple[str, str]:
        return key_of(self.agent, "turns", 1, "new"), key_of(self.agent, "turns", 1, "old")


@pytest_asyncio.fixture
async def watched(redis_url: str, agent: str) -> AsyncIterator[Watched]:
    client = connect(redis_url)
    assert isinstance(client, Redis)
    stores = [RedisStore(client, f"replica-{number}") for number in range(2)]
    await stores[0].commit(agent, beginning(), "config")
    found = Watched(client, agent, stores)
    await found.be_in(0)
    yield found
    await stores[0].aclose()


def begun(calls: int = 1) -> UnitTurns:
    return UnitTurns(calls, begins=True)


def reaching(arm: ArmEvidence) -> list[int]:
    """How many conversations have reached one call, and each mark."""
    return [round(arm.badness(reached(mark))) for mark in (1, *MARKS)]


async def test_replicas_count_one_conversation_together(watched: Watched) -> None:
    """Each event once, whichever replica sees the call that reaches it; a repeated flush changes nothing."""
    await watched.count(False, a=begun(), b=begun())
    await watched.count(False, 1, a=UnitTurns(2))
    sequence = await watched.count(False, a=UnitTurns(1))
    await watched.stores[0].flush(watched.agent, sequence, batch(stable=Arm(turns={"a": UnitTurns(9)})))
    await watched.count(True, a=begun(40))
    stable, canary = await watched.arms()
    assert reaching(stable) == [2, 1, 1, 0, 0] and turns_of(stable) == (5, 2)
    assert reaching(canary) == [1, 1, 1, 1, 1] and turns_of(canary) == (16, 1)


async def test_a_conversation_is_no_evidence_before_its_time_is_over(watched: Watched) -> None:
    """However many calls it has made by then: one whose turns are faster would look longer."""
    await watched.count(True, a=begun(16))
    for minute, known in ((0, 0), (AFTER - 1, 0), (AFTER, 1), (AFTER + 300, 1)):
        _, canary = await watched.arms(minute)
        assert turns_of(canary)[1] == known and canary.bad_units.get(reached(16), 0) == known


@pytest.mark.parametrize(("minute", "calls"), [(WINDOW_MINUTES - 1, 3), (AFTER - 1, 3), (AFTER, 1), (AFTER * 9, 1)])
async def test_calls_count_until_the_next_window_ends(watched: Watched, minute: int, calls: int) -> None:
    """They are booked where the conversation began, however late they come."""
    await watched.count(False, a=begun())
    await watched.be_in(minute)
    await watched.count(False, a=UnitTurns(2))
    stable, _ = await watched.arms(AFTER * 20)
    assert turns_of(stable) == (calls, 1) and list(stable.bad[CALLS]) == [0]


async def test_each_window_has_its_conversations(watched: Watched) -> None:
    """Also in a long step, where the slots of the evidence are wider than a window."""
    for window in range(40):
        await watched.be_in(window * WINDOW_MINUTES)
        await watched.count(False, 0, **{f"unit{window}": begun(2)})
    for minute in range(0, 200, 7):
        stable, _ = await watched.arms(minute)
        most = max(minute // WINDOW_MINUTES - 1, 0)
        assert turns_of(stable)[1] <= most and (minute > 60 or turns_of(stable)[1] == most)
    assert turns_of((await watched.arms(999))[0]) == (80, 40)


async def test_a_later_call_may_be_flushed_before_the_first(watched: Watched) -> None:
    """By another replica. One whose first call never comes began before the step, and is no evidence."""
    await watched.count(True, 1, a=UnitTurns(3), old=UnitTurns(9))
    await watched.count(True, a=begun())
    _, canary = await watched.arms()
    assert turns_of(canary) == (4, 1) and reaching(canary) == [1, 1, 1, 0, 0]


async def test_a_failure_hides_nothing_in_the_canarys_disfavour(watched: Watched) -> None:
    """Stable's conversation with one counts as a long one, the canary's is counted no further."""
    for canary in (False, True):
        await watched.count(canary, a=begun(2))
        await watched.count(canary, a=UnitTurns(1, is_lost=True))
        await watched.count(canary, a=UnitTurns(5))
    stable, canary_arm = await watched.arms()
    assert turns_of(stable) == (16, 1) and turns_of(canary_arm) == (3, 1)


async def test_a_partys_part_can_be_left_out(watched: Watched) -> None:
    """With its conversations, so that what remains is a share of the others'."""
    await watched.count(True, mine=begun(16), theirs=begun(2))
    _, canary = await watched.arms()
    others, alone = canary.without("c1", [reached(16)]), canary.only("c1", [reached(16)])
    assert others.trials("conversations") == alone.trials("conversations") == {0: 1}
    assert (others.badness(reached(16)), alone.badness(reached(16))) == (0, 1)


async def test_the_store_forgets_conversations_with_their_window(watched: Watched) -> None:
    """Two windows of them are kept, for a while."""
    for window in range(5):
        await watched.be_in(window * WINDOW_MINUTES)
        await watched.count(False, 0, **{f"unit{window}-{number}": begun() for number in range(10)})
    assert [await watched.client.hlen(key) for key in watched.hashes] == [11, 11]
    assert [0 < await watched.client.ttl(key) <= 180 * WINDOW_MINUTES for key in watched.hashes] == [True, True]
    assert turns_of((await watched.arms(999))[0])[1] == 50


async def test_a_window_has_room_for_so_many_conversations(watched: Watched) -> None:
    """Of both arms together, so that no arm's are left out sooner; those that are counted go on."""
    await watched.count(False, 0, **{f"unit{number}": begun() for number in range(MAX_FAILING_UNITS + 5)})
    await watched.count(True, late=begun())
    await watched.count(False, unit0=UnitTurns(1))
    stable, canary = await watched.arms()
    assert turns_of(stable) == (MAX_FAILING_UNITS + 1, MAX_FAILING_UNITS) and turns_of(canary)[1] == 0


async def test_nothing_is_kept_where_nobody_watches(watched: Watched) -> None:
    """A rollout that names no limit of turns has neither the hashes nor a number of them."""
    await watched.count(False)
    assert await watched.client.exists(*watched.hashes) == 0
    arm = ArmEvidence(requests={0: 4}, bad={"errors": {0: WHOLE}}, bad_units={"errors": 1})
    assert resolved(arm, 99) is arm
