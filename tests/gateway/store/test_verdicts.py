"""Verdicts of judges in the store: one for each call, counted once, within the money of the day."""

import asyncio
from dataclasses import replace

from gateway.judging.agreement import Agreement
from gateway.judging.verdict import JudgeVerdict
from gateway.store import RedisStore
from gateway.store.verdict_seam import MOST_VERDICTS, VersionVerdicts
from tests.gateway.store.conftest import NewStore

JUDGE, DAY = "0f" * 32, "2026-11-30"
VERDICT = JudgeVerdict("c" * 52, "ab" * 8, "", "v2", "canary", 0.25, False, "rude", JUDGE, 1_200, 1.5e9)


async def test_a_claim_is_of_one_replica(new_store: NewStore, agent: str) -> None:
    """Whoever claims first has all of the names; nobody else gets any, until they are given up."""
    assert await new_store().claim_verdict(agent, ["call", "unit"], 60)
    assert not await new_store().claim_verdict(agent, ["other", "unit"], 60)
    assert await new_store().claim_verdict(agent, ["other"], 60)
    await new_store().release_claim(agent, ["call", "unit"])
    assert await new_store().claim_verdict(agent, ["unit"], 60)


async def test_a_verdict_is_counted_once(new_store: NewStore, agent: str) -> None:
    """The verdict that comes first stands, whichever replica brings another one."""
    verdict = replace(VERDICT, agent=agent)
    kept = [await new_store().keep_verdict("k", each, 3) for each in (verdict, replace(verdict, score=1.0))]
    sums = await new_store().judge_sums(agent, JUDGE, 3, DAY)
    assert kept == [True, False]
    assert await new_store().find_verdicts(agent, ["k", "nobody"]) == {"k": verdict}
    assert sums.versions == {"v2": VersionVerdicts(1, 0, 0.25, 0.0625, 0)}


async def test_undecided_is_no_verdict(store: RedisStore, agent: str) -> None:
    """A call that a judge could not grade is counted apart, and known as asked about."""
    for _ in range(2):
        await store.keep_undecided(agent, "k", JUDGE, "v1", 0)
    sums = await store.judge_sums(agent, JUDGE, 0, DAY)
    assert sums.versions == {"v1": VersionVerdicts(undecided=1)}
    assert (await store.find_verdicts(agent, ["k"]), await store.were_judged(agent, ["k", "other"])) == (
        {},
        frozenset({"k"}),
    )


async def test_judges_are_never_mixed(store: RedisStore, agent: str) -> None:
    """Another judge, and another rollout, have sums of their own."""
    await store.keep_verdict("k", replace(VERDICT, agent=agent), 3)
    others = [await store.judge_sums(agent, *which, DAY) for which in (("ff" * 32, 3), (JUDGE, 4))]
    assert [each.versions for each in others] == [{}, {}]


async def test_no_reservation_goes_beyond_the_day(new_store: NewStore, agent: str) -> None:
    """However many replicas reserve at once, the sum stays within the most; what was not used is free again."""
    stores = [new_store() for _ in range(4)]
    granted = await asyncio.gather(
        *(stores[number % 4].reserve_for_judge(agent, DAY, 100, 1_000) for number in range(40))
    )
    assert sum(granted) == 10
    await stores[0].settle_for_judge(agent, DAY, -250)
    assert (await stores[1].judge_sums(agent, JUDGE, 0, DAY)).nano_usd == 750
    again = [await stores[2].reserve_for_judge(agent, DAY, 100, 1_000) for _ in range(4)]
    assert again == [True, True, False, False]


async def test_a_cheap_judge_is_bounded_too(store: RedisStore, agent: str) -> None:
    """No more than so many calls a day are judged, whatever they cost: their verdicts take room."""
    name = f"serinus:{{{agent}}}:judge:spent:{DAY}"
    await store._client.hset(name, "calls", str(MOST_VERDICTS - 1))
    assert [await store.reserve_for_judge(agent, DAY, 0, 10**9) for _ in range(2)] == [True, False]


async def test_labels_are_counted_by_judge(store: RedisStore, agent: str) -> None:
    """Labels of people stand beside the judge that they are about."""
    await store.count_label(agent, JUDGE, judge_passes=True, person_passes=False)
    await store.count_label(agent, JUDGE, judge_passes=True, person_passes=True)
    assert await store.agreement(agent, JUDGE) == Agreement(both_pass=1, judge_only=1)
    assert await store.agreement(agent, "ff" * 32) == Agreement()


async def test_all_of_it_ends_by_itself(store: RedisStore, agent: str) -> None:
    """Nothing of a judge stays for ever."""
    await store.claim_verdict(agent, ["c"], 60)
    await store.keep_verdict("k", replace(VERDICT, agent=agent), 3)
    await store.reserve_for_judge(agent, DAY, 1, 10)
    await store.count_label(agent, JUDGE, judge_passes=True, person_passes=True)
    names = [name async for name in store._client.scan_iter(f"serinus:{{{agent}}}:judge:*")]
    assert len(names) == 5
    assert all([await store._client.ttl(name) > 0 for name in names])


async def test_reasons_are_forgotten_with_the_texts(store: RedisStore, agent: str) -> None:
    """Whoever deletes the texts of a call deletes what a judge said of them."""
    await store.keep_verdict("k", replace(VERDICT, agent=agent), 3)
    await store.forget_contents(agent, ["k"], [])
    assert await store.find_verdicts(agent, ["k"]) == {}
