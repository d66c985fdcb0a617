"""Records of calls in the store: found by call and conversation, and bounded; on one server and on a cluster."""

from typing import Any

import pytest

from gateway.store import RedisStore
from gateway.store.calls import MOST_IN_THREAD
from gateway.store.reaching import key_of
from gateway.store.trace_seam import STREAMS, CallBounds, CallEntry, KeptCall, StreamCursor
from tests.gateway.store.conftest import NewStore

ROOMY = CallBounds()


def call(key: str, thread: str = "t", *joins: str, trace_keys: tuple[str, ...] = (), **more: Any) -> KeptCall:
    return KeptCall(
        key, thread, joins, trace_keys, more.pop("is_notable", False), f"[{key}]", more.pop("record", f"r-{key}")
    )


async def latest(store: RedisStore, agent: str) -> list[CallEntry]:
    pages = await store.latest_calls([StreamCursor(agent, stream) for stream in STREAMS], 120)
    return sorted((entry for page in pages for entry in page), reverse=True)


async def keys_of(store: RedisStore, agent: str, thread: str) -> list[str]:
    found = await store.find_threads([agent], [thread])
    return found.get(agent, {}).get(thread, [])


async def test_found_by_call_and_conversation(store: RedisStore, agent: str) -> None:
    """In the order in which the calls were kept; what nobody kept is not there."""
    await store.keep_calls(agent, [call("1"), call("2", is_notable=True), call("3", "other")], ROOMY)
    assert await store.find_calls(agent, ["2", "nobody", "1"]) == ["r-2", "r-1"]
    assert await keys_of(store, agent, "t") == ["1", "2"]
    assert await store.find_threads(["nobody"], ["t"]) == {}


async def test_a_call_is_kept_once(store: RedisStore, agent: str) -> None:
    """A batch whose reply was lost is written again."""
    for _ in range(2):
        await store.keep_calls(agent, [call("1")], ROOMY)
    assert await keys_of(store, agent, "t") == ["1"]
    assert [each.key for each in await latest(store, agent)] == ["1"]


async def test_good_and_bad_calls_are_in_one_order(new_store: NewStore, agent: str) -> None:
    """That in which they were written, however many end at once."""
    names = [f"{number:03}" for number in range(120)]
    await new_store().keep_calls(agent, [call(name, is_notable=int(name) % 3 == 0) for name in names[:100]], ROOMY)
    for name in names[100:]:
        await new_store().keep_calls(agent, [call(name, is_notable=int(name) % 2 == 0)], ROOMY)
    assert [each.key for each in await latest(new_store(), agent)] == names[::-1]


async def test_a_clock_that_has_gone_back_loses_no_call(store: RedisStore, agent: str) -> None:
    """It is kept behind those that are there."""
    early = {"key": "0", "thread": "t", "summary": "[0]"}
    await store._client.xadd(key_of(agent, "trace", "calls"), early, id="9999999999999-0")  # type: ignore[arg-type]
    await store.keep_calls(agent, [call("1"), call("2")], ROOMY)
    assert [each.key for each in await latest(store, agent)] == ["2", "1", "0"]


@pytest.mark.parametrize("first", [0, 1])
async def test_a_tool_call_that_comes_back_joins(new_store: NewStore, agent: str, first: int) -> None:
    """Whichever of two replicas writes first: that of the answer that asked, or that of the request that brings."""
    calls = [call("1", "asked", "tool"), call("2", "brings", "tool")]
    for place in (first, 1 - first):
        await new_store().keep_calls(agent, [calls[place]], ROOMY)
    thread = calls[first].thread
    assert sorted(await keys_of(new_store(), agent, thread)) == ["1", "2"]


async def test_a_trace_leads_to_the_other_conversations(store: RedisStore, agent: str) -> None:
    """They stay apart, and are found beside one another."""
    await store.keep_calls(agent, [call("1", "a", trace_keys=("trace",)), call("2", "b", trace_keys=("trace",))], ROOMY)
    assert await store.find_joined([agent], ["trace", "nothing"]) == ["a", "b"]
    assert await keys_of(store, agent, "a") == ["1"]


async def test_newest_first_by_pages(store: RedisStore, agent: str) -> None:
    """Over both streams: calls that went well, and those that did not."""
    for number in range(5):
        await store.keep_calls(agent, [call(str(number), is_notable=number % 2 == 1)], ROOMY)
    assert [each.key for each in await latest(store, agent)] == ["4", "3", "2", "1", "0"]
    (page,) = await store.latest_calls([StreamCursor(agent, 0)], 2)
    assert [each.key for each in page] == ["4", "2"] and page[0].summary == "[4]"
    cursors = [StreamCursor(agent, 0, page[-1].place), StreamCursor("nobody", 0)]
    assert [[each.key for each in rest] for rest in await store.latest_calls(cursors, 2)] == [["0"], []]


async def test_the_oldest_go_first(store: RedisStore, agent: str) -> None:
    """With all that leads to them; calls that failed are kept in room of their own."""
    few = CallBounds(bytes=6_000)
    await store.keep_calls(agent, [call("bad", "b", is_notable=True)], few)
    for number in range(30):
        await store.keep_calls(agent, [call(f"{number:02}", f"t{number}", f"j{number}", trace_keys=("l",))], few)
    kept = [each.key for each in await latest(store, agent)]
    assert kept[-1] == "bad" and kept[0] == "29" and 5 < len(kept) < 20
    assert await store.find_calls(agent, ["00", "bad"]) == ["r-bad"]
    assert await keys_of(store, agent, "t0") == [] and await store.find_joined([agent], ["j0"]) == []
    assert "t0" not in await store.find_joined([agent], ["l"])


async def test_a_conversation_without_end_is_bounded(store: RedisStore, agent: str) -> None:
    """It is found by its latest calls."""
    for first in range(0, MOST_IN_THREAD + 100, 50):
        await store.keep_calls(agent, [call(f"{first + number:016x}") for number in range(50)], ROOMY)
    assert len(await keys_of(store, agent, "t")) == MOST_IN_THREAD


async def test_a_hostile_client_fills_its_share_alone(redis_url: str, new_store: NewStore, agent: str) -> None:
    """A new conversation with new tools in each call: what the server holds of it stays within twice the bound."""
    store, bounds = new_store(), CallBounds(bytes=100_000)
    for first in range(0, 2_000, 50):
        calls = [
            call(f"{n:016x}", f"t{n}", *(f"{n}-{each:014}" for each in range(24)), record="x" * 300)
            for n in range(first, first + 50)
        ]
        await store.keep_calls(agent, calls, bounds)
    held = 0
    for part in ("calls", "records", "threads", "joins"):
        key = f"serinus:{{{agent}}}:trace:{part}"
        size: Any = await store._client.execute_command("MEMORY", "USAGE", key, "SAMPLES", "0")
        held += size
    assert held < 2 * bounds.bytes
