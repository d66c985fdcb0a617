"""Counts over time: each call once in every length of interval, at its own time, in bounded space."""

import random
import re
import sys
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import orjson
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.history.sums import CellSums
from gateway.store import RedisStore, connect
from gateway.store.cells import Cells
from gateway.store.intervals import COARSE, LENGTHS, SUMS, GuardrailValues, history_keys, read_histogram
from gateway.store.scripts import FLUSH
from gateway.store.seam import Batch
from policies.evidence.tally import Tally, histogram_bucket, quantile
from routing.models import MODELS
from tests.gateway.store.conftest import NewStore
from tests.support.curves import NOW, KeptHistory
from tests.support.decisions import batch, beginning, cells_of

V1, V2 = ("v1", "stable"), ("v2", "canary")
HOUR, DAY = 3600.0, 24 * 3600.0


def calls(number: int, seconds: float = 1.0) -> Tally:
    """So many good calls that took so long."""
    tally = Tally(requests=number, cost_nano_usd=number * 5_000_000, input_tokens=number * 1000, units=number)
    tally.latency[histogram_bucket(seconds)] = number
    return tally


@pytest_asyncio.fixture
async def kept(redis_url: str, agent: str) -> AsyncIterator[KeptHistory]:
    client = connect(redis_url)
    assert isinstance(client, Redis)
    store = RedisStore(client, "replica")
    yield KeptHistory(client, store, agent)
    await store.aclose()


async def test_replicas_merge_and_a_repetition_counts_once(new_store: NewStore, agent: str) -> None:
    """Whatever reply was lost: a batch is in the curves exactly as often as in the sums."""
    one, other = new_store(), new_store()
    await one.commit(agent, beginning(), "config")
    for store, sequence in ((one, 1), (one, 1), (other, 1), (one, 2)):
        await store.flush(agent, sequence, batch(tallies={"v1": calls(2), "v2/apart": calls(1)}))
    now = (await one.read(agent))[1]
    for seconds in LENGTHS:
        read = await one.history(agent, now - 60, now, seconds)
        found = {cell.series: 0 for cells in read.cells.values() for cell in cells}
        for cell in (cell for cells in read.cells.values() for cell in cells):
            found[cell.series] += cell.sums[SUMS.index("requests")]
        assert found == {"v1|": 6, "v2/apart|": 3}
    assert (await one.snapshot(agent)).tallies["v1"].requests == 6


async def test_every_length_holds_every_call(kept: KeptHistory) -> None:
    """In whatever order they come: hours late, from a replica that was away, after a clock that has gone back."""
    rng, expected, now = random.Random(1), 0, NOW
    for _ in range(200):
        now += rng.choice((0.1, 3.0, 11.0, 61.0, -4.0, -25.0))
        age = rng.choice((0.0, 0.0, 0.5, 8.0, 700.0))
        expected += 1
        await kept.add(now, {rng.choice((V1, V2)): calls(1)}, age)
    for seconds in LENGTHS:
        assert sum((await kept.calls(NOW - HOUR, now + HOUR, seconds)).values()) == expected


async def test_a_late_batch_is_at_its_time(kept: KeptHistory) -> None:
    """A call that ended an hour ago is counted where it ended, in the lengths that are kept for so long."""
    await kept.add(NOW, {V1: calls(1)})
    await kept.add(NOW + 3, {V1: calls(2)}, age=HOUR + 100)
    late = NOW + 3 - HOUR - 100
    assert await kept.calls(NOW - 2 * HOUR, NOW + 60, 60) == {late // 60 * 60: 2, NOW // 60 * 60: 1}
    assert await kept.calls(NOW - 2 * HOUR, NOW + 60, 10) == {NOW // 10 * 10: 1}
    await kept.add(NOW + 6, {V1: calls(4)}, age=32 * DAY)
    assert sum((await kept.calls(NOW - 33 * DAY, NOW + 60, 3600)).values()) == 3


async def test_a_quiet_agent_is_read_from_its_running_interval(kept: KeptHistory) -> None:
    """Its last calls are seen at once, and hours later, though nothing has closed their interval."""
    await kept.add(NOW, {V1: calls(7)})
    for seconds in LENGTHS:
        assert await kept.calls(NOW - 60, NOW + 5 * HOUR, seconds) == {NOW // seconds * seconds: 7}


async def test_what_is_too_old_is_deleted(kept: KeptHistory) -> None:
    """Also after a pause, in which no interval has begun."""
    for hour in range(0, 40 * 24, 7):
        await kept.add(NOW + hour * HOUR, {V1: calls(1), V2: calls(1)})
    last = NOW + hour * HOUR
    fields = [tuple(map(int, name.split(":"))) for name in await kept.fields()]
    assert all(last - number * seconds <= LENGTHS[seconds] + 10 * seconds for seconds, number in fields)
    assert 31 * 24 // 7 - 2 <= [seconds for seconds, _ in fields].count(3600) <= 31 * 24 // 7 + 2


async def test_a_clock_that_was_far_ahead_leaves_nothing_for_ever(kept: KeptHistory) -> None:
    """What it wrote in a year to come would never become too old."""
    await kept.add(NOW + 365 * DAY, {V1: calls(1)})
    await kept.add(NOW + 365 * DAY + 60, {V1: calls(1)})
    await kept.add(NOW, {V1: calls(2)})
    await kept.add(NOW + 60, {V1: calls(4)})
    assert await kept.calls(NOW - HOUR, NOW + HOUR, 60) == {NOW // 60 * 60: 2, NOW // 60 * 60 + 60: 4}
    assert {int(name.split(":")[1]) for name in await kept.fields()} <= {int(NOW // seconds) for seconds in LENGTHS}


async def test_behaviours_are_kept_in_every_length(kept: KeptHistory) -> None:
    """Also beside what an older replica wrote, which knew none; an interval without any takes no more room."""
    shown = Tally(requests=3, behaviours={"truncated": 2, "tool_errors": 1})
    await kept.add(NOW, {V1: calls(1)})
    await kept.add(NOW + 20, {V1: shown, V2: calls(1)})
    await kept.add(NOW + 40, {V1: shown})
    for seconds in LENGTHS:
        read = await kept.store.history(kept.agent, NOW - 60, NOW + 60, seconds)
        cells = [cell for found in read.cells.values() for cell in found]
        assert CellSums([cell for cell in cells if cell.series == "v1|stable"]).behaviours == {
            "truncated": 4, "tool_errors": 2,
        }  # fmt: skip
        assert not any(cell.behaviours for cell in cells if cell.series == "v2|canary")
    written = await kept.client.hget(history_keys(kept.agent)[1], f"10:{int(NOW // 10)}")
    assert len(orjson.loads(str(written))[0]) == 5


async def test_quantiles_are_those_of_the_calls(kept: KeptHistory) -> None:
    """The fewer buckets of a curve lose little: the tally's quantile and the curve's are within 5 %."""
    rng, tally = random.Random(2), Tally(requests=5000)
    for _ in range(5000):
        tally.latency[histogram_bucket(rng.lognormvariate(0.3, 0.8))] += 1
    await kept.add(NOW, {V1: tally})
    await kept.add(NOW + 60, {V1: Tally(requests=1)})
    (series,) = (await kept.view(NOW - 60, NOW, 60)).series
    found = series.points[0].latency_seconds
    for share, seconds in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99)):
        assert seconds == pytest.approx(quantile(tally.latency, share), rel=0.05)


async def test_a_histogram_of_any_counts_is_read_back(kept: KeptHistory) -> None:
    """One character for small counts, and more for those of a busy hour."""
    counts = [1, 0, 51, 52, 1611, 1612, 140_607, 140_608, 52**6 - 1]
    functions = FLUSH.text[: FLUSH.text.index("-- By hand")]
    table = ", ".join(f"[{index}] = {count}" for index, count in enumerate(counts, start=-3))
    written = await kept.run(f"{functions} return string.sub(write_histogram({{{table}}}), 2, -2)")
    assert read_histogram(written) == (-3, counts)
    assert (
        await kept.run(f"{functions} return string.sub(write_histogram(read_histogram('{written}')), 2, -2)") == written
    )


def test_lua_and_python_agree_on_the_order_of_sums() -> None:
    """And on how many buckets are one, and for how long which intervals are kept."""
    assert (match := re.search(r"local SUMS = \{(.*?)\}", FLUSH.text, re.DOTALL))
    assert tuple(re.findall(r"'(\w+)'", match[1])) == SUMS
    assert (match := re.search(r"local COARSE = (\d+)", FLUSH.text)) and int(match[1]) == COARSE
    lengths = dict(re.findall(r"\{(\d+), (\d+)\}", FLUSH.text))
    assert {int(seconds): int(count) * int(seconds) >= LENGTHS[int(seconds)] for seconds, count in lengths.items()} == {
        seconds: True for seconds in LENGTHS
    }


async def test_series_are_bounded(kept: KeptHistory) -> None:
    """Of very many versions the first are told apart, and the sums of all others are kept."""
    await kept.add(NOW, {(f"v{number}", ""): calls(1) for number in range(60)})
    await kept.add(NOW + 3600, {V1: calls(1)})
    read = await kept.store.history(kept.agent, NOW, NOW + 10, 60)
    (cells,) = read.cells.values()
    assert len(cells) == 25 and sum(cell.sums[0] for cell in cells) == 60
    assert [series.version for series in (await kept.view(NOW, NOW + 10, 60)).series].count("other") == 1


async def test_plain_models_have_no_curves(new_store: NewStore) -> None:
    """Clients choose their names, of which there may be hundreds."""
    store = new_store()
    await store.flush(MODELS, 1, Batch(0, 0, cells_of({"p/m": calls(1)})))
    now = (await store.read(MODELS))[1]
    assert not (await store.history(MODELS, now - 60, now, 60)).cells
    assert (await store.snapshot(MODELS)).tallies["p/m"].requests >= 1


async def test_the_last_minutes_come_with_the_snapshot(store: RedisStore, agent: str) -> None:
    """Calls of the last minute, and late ones of the last 5 minutes and the last hour, each in one part."""
    cells = Cells(sent_at=3000.0, width=1.0)
    for at, number in ((200.0, 8), (1000.0, 4), (2800.0, 2), (2999.4, 1)):
        cells.tally("v1", "", at).merge(calls(number))
    await store.flush(agent, 1, Batch(0, 0, cells))
    recent = (await store.snapshot(agent)).recent
    parts = (recent.minute, recent.minutes_before, recent.hour_before)
    assert [sum(cell.sums[0] for cell in part) for part in parts] == [1, 2, 12]


async def test_other_intervals_are_not_known(store: RedisStore, agent: str) -> None:
    """The error says which are."""
    with pytest.raises(ValueError, match="10, 60, 300, 3600"):
        await store.history(agent, 0.0, 60.0, 7)


async def test_a_month_of_two_versions_stays_small(kept: KeptHistory) -> None:
    """About a megabyte, where a busy agent is on trial all the time: 1 call a second."""
    rng, part = random.Random(3), 8  # of each length, for a month takes its time

    def busy(number: int) -> Tally:
        each = number * rng.randrange(1, 1000)
        tally = Tally(number, input_tokens=each, output_tokens=each, cost_nano_usd=each * 999, badness=each)
        for _ in range(min(number, 600)):
            seconds = rng.lognormvariate(0.3, 0.7)
            tally.latency[histogram_bucket(seconds)] += max(1, number // 600)
            tally.ttft[histogram_bucket(seconds * rng.uniform(0.2, 0.4))] += max(1, number // 600)
        return tally

    made = {seconds: [{V1: busy(seconds * 3 // 4), V2: busy(seconds // 4)} for _ in range(5)] for seconds in LENGTHS}
    now = NOW
    for seconds, count in ((3600, 31 * 24), (60, 26 * 60), (10, 360)):
        for _ in range(count // part):
            await kept.add(now, rng.choice(made[seconds]))
            now += seconds
    used = await kept.client.memory_usage(history_keys(kept.agent)[1], samples=0)
    assert used is not None and used * part < 1_300_000


UNKNOWN = GuardrailValues(1.0, None, None, None)
KNOWN = GuardrailValues(1.5, 0.01, 2.0, 0.2)
SOME = {"error_rate <= 20%": KNOWN, "cost <= stable * 1.05": GuardrailValues(0.0, 0.25, None, 3.0)}


async def test_the_evidence_is_one_point_a_minute(store: RedisStore, agent: str) -> None:
    """Of several in a minute the last holds, whichever replica wrote it; other guardrails have other texts."""
    for guardrails in (SOME, {"error_rate <= 20%": GuardrailValues(9.0, None, 0.5, 0.2)}, SOME):
        await store.note_evidence(agent, guardrails)
    now = (await store.read(agent))[1]
    points = (await store.history(agent, now - 120, now, 60)).points
    assert points[-1].guardrails == SOME and len(points) <= 2


async def test_the_minute_that_has_begun_is_read(store: RedisStore, agent: str) -> None:
    """A rollback is seen at once, at every length of interval; a minute after the time is not."""
    await store.note_evidence(agent, SOME)
    now = (await store.read(agent))[1]
    for seconds in LENGTHS:
        assert (await store.history(agent, now - 900, now, seconds)).points[-1].guardrails == SOME
    assert not (await store.history(agent, now - 900, now - 120, 10)).points


async def test_older_evidence_is_one_point_an_hour(kept: KeptHistory) -> None:
    """After 26 hours the last of each hour is left, after 31 days none; points of unknown guardrails are not shown."""
    await kept.store.note_evidence(kept.agent, SOME)
    hour, key = int((await kept.store.read(kept.agent))[1] // 3600), kept.points_key
    for age in (1, 27, 31 * 24 + 1):
        minute = (hour - age) * 60
        lines = [f"{minute + index} {1 + index // 59 * 90} [[{index},null,null,null]]" for index in range(60)]
        await kept.client.hset(key, str(hour - age), "\n".join(lines))
    await kept.client.hdel(key, str(hour))
    await kept.store.note_evidence(kept.agent, {"error_rate <= 20%": UNKNOWN})
    held = {int(name): value for name, value in (await kept.points()).items() if name.isdigit()}
    assert {hour - at: value.count("\n") + 1 for at, value in held.items()} == {0: 1, 1: 60, 27: 1}
    found = await kept.store.history(kept.agent, (hour - 1) * 3600, hour * 3600 - 1, 60)
    assert len(found.points) == 59, "the last one is of other guardrails, which nobody knows any more"


async def test_guardrails_are_remembered_in_bounded_space(kept: KeptHistory) -> None:
    """Of configurations without end the latest are told; two that take turns are told for ever."""
    for number in range(40):
        await kept.store.note_evidence(kept.agent, {f"error_rate <= {number}%": UNKNOWN})
        await kept.store.note_evidence(kept.agent, {f"error_rate <= {number}%": UNKNOWN})
    held = await kept.points()
    assert sum(name.startswith("texts:") for name in held) == 16 and held["texts"] == "40"


async def test_much_evidence_is_read_beside_the_loop(kept: KeptHistory) -> None:
    """A point a minute for a day: calls go on while it is read, whatever the number of intervals."""
    await kept.store.note_evidence(kept.agent, SOME)
    hour, parsed = int((await kept.store.read(kept.agent))[1] // 3600), 0
    for age in range(1, 25):
        lines = [f"{(hour - age) * 60 + index} 1 [[{index},null,null,null]]" for index in range(60)]
        await kept.client.hset(kept.points_key, str(hour - age), "\n".join(lines))

    def count(_: FrameType, event: str, called: Any) -> None:
        nonlocal parsed
        parsed += event == "c_call" and called is orjson.loads

    sys.setprofile(count)
    try:
        found = await kept.store.history(kept.agent, (hour - 24) * 3600, hour * 3600 - 1, 3600)
    finally:
        sys.setprofile(None)
    assert len(found.points) == 24 * 60 and parsed == 0
