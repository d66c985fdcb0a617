"""Tools whose answer and result meet different replicas, between two parts over one store."""

import uuid
from collections.abc import AsyncIterator

import pytest

from gateway.store import connect
from gateway.store.trace_seam import ToolKey
from gateway.telemetry.shared_tools import SharedTools, shared_key
from gateway.telemetry.tool_spans import MOST_ASKED, PendingTool, tool_span
from gateway.telemetry.trace_context import CHAT_SPAN, TraceContext, span_id
from gateway.tool_use import ReturnedTool
from tests.support.faulty_store import FaultyStore, deny

KEY = ("key", "", "call_0123456789abcdef")
NONCE = bytes(range(8))
RESULT = ReturnedTool(KEY[2], is_error=True)
WAIT = 2.0


class Part:
    """The part of one replica on a clock of its own, whose monotonic time began so many seconds ago."""

    def __init__(self, store: FaultyStore, began: float) -> None:
        self.now = 1_000.0
        self.tools = SharedTools(lambda: self.now - began, lambda: began, WAIT)
        self.tools.store = store

    def pending(self, at: float) -> PendingTool:
        """A tool call whose answer ended then, by the clock that both can read."""
        return PendingTool("look_up", TraceContext("1" * 32, "2" * 16, True), NONCE, "id", at - self.tools._offset())


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[FaultyStore]:
    made = FaultyStore(connect(redis_url), uuid.uuid4().hex)
    yield made
    await made.aclose()


@pytest.fixture
def one(store: FaultyStore) -> Part:
    return Part(store, 0.0)


@pytest.fixture
def other(store: FaultyStore) -> Part:
    return Part(store, 500.0)


async def share(part: Part) -> None:
    """Two exchanges: what is still unanswered at the second is written."""
    for _ in range(2):
        assert await part.tools.exchange() == []


async def test_found_by_another(one: Part, other: Part, agent: str) -> None:
    """After a wait, with the times of both clocks, and once."""
    one.tools.ask(agent, KEY, one.pending(at=990.0))
    await share(one)
    for _ in range(2):
        other.tools.arrive(agent, KEY, RESULT, 995.0 - 500.0)
    other.now = 996.0
    assert await other.tools.exchange() == []
    other.now = 997.5
    (found,) = await other.tools.exchange()
    span = tool_span(found, 500.0)
    assert (span.began_at, span.ended_at) == (990.0, 995.0)
    assert (span.trace_id, span.parent_id, span.error) == ("1" * 32, span_id(NONCE, CHAT_SPAN), "")
    assert span.name == "execute_tool look_up" and span.attributes["serinus.call_id"] == "id"


async def test_answered_where_it_was_asked(one: Part, other: Part, agent: str) -> None:
    """At once it goes nowhere; later the store forgets it. A repeated request is no second span elsewhere."""
    for _ in range(2):
        one.tools.ask(agent, KEY, one.pending(at=990.0))
        await share(one)
        one.tools.settle(agent, KEY)
        await one.tools.exchange()
    one.tools.ask(agent, KEY, one.pending(at=990.0))
    one.tools.settle(agent, KEY)
    await share(one)
    other.tools.arrive(agent, KEY, RESULT, 0.0)
    assert await other.tools.exchange() == []


async def test_store_away(one: Part, other: Part, store: FaultyStore, agent: str) -> None:
    """Nothing is lost within the bounds: both sides try again."""
    one.tools.ask(agent, KEY, one.pending(at=990.0))
    other.tools.arrive(agent, KEY, RESULT, 0.0)
    with store.faulty("keep_asked", "take_asked", fault=deny):
        await share(one)
        await share(other)
    await share(one)
    assert len(await other.tools.exchange()) == 1


async def test_stop(one: Part, other: Part, agent: str) -> None:
    """A replica that stops tells the others what its answers asked for, and looks for what came last."""
    one.tools.ask(agent, KEY, one.pending(at=990.0))
    await one.tools.exchange(is_last=True)
    other.tools.arrive(agent, KEY, RESULT, other.now - 500.0)
    assert len(await other.tools.exchange(is_last=True)) == 1


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '["a","zz","zz","id",1]', '["a","11","22","id","soon"]'])
async def test_what_another_release_wrote(other: Part, store: FaultyStore, agent: str, text: str) -> None:
    """It is left out."""
    await store.keep_asked({shared_key(agent, KEY): text})
    other.tools.arrive(agent, KEY, RESULT, 0.0)
    assert await other.tools.exchange() == []


async def test_bounds(one: Part, store: FaultyStore, agent: str) -> None:
    """Beside a store that is away, very many tool calls or results fill no memory."""
    with store.faulty("keep_asked", "take_asked", fault=deny):
        for number in range(3 * MOST_ASKED):
            key = ("key", "", f"call_{number:016x}")
            one.tools.ask(agent, key, one.pending(at=990.0))
            one.tools.arrive(agent, key, RESULT, 0.0)
            if number % MOST_ASKED == 0:
                await one.tools.exchange()
    held = [len(each) for each in (one.tools._fresh, one.tools._unwritten, one.tools._arrived)]
    assert max(held) <= MOST_ASKED


def test_key_names_nobody() -> None:
    """The store has a digest."""
    assert shared_key("a", ("caller", "c", "id\ud800")) == ToolKey(
        "a", shared_key("a", ("caller", "c", "id\ud800")).key
    )
    assert len(shared_key("a", KEY).key) == 16 and shared_key("a", KEY) != shared_key("a", ("other", *KEY[1:]))
