"""A conversation on its way to people: into the store first, then to the webhook, whatever goes wrong on the way."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import time
from typing import Any

import pytest
import pytest_asyncio
import structlog
from structlog.testing import CapturingLogger

from gateway.calls import Attempt, Call, Caller, Outcome
from gateway.handover.escalation import Escalations
from gateway.handover.waiting import QueueRoom
from gateway.json_body import Document
from gateway.logs import Log
from gateway.net.client.options import TransportOptions
from gateway.net.client.upstreams import transport
from gateway.store import connect
from gateway.timings import Timings
from gateway.webhook.signature import SIGNATURE, TIMESTAMP, is_signed
from gateway.webhook.webhook import Webhook
from tests.support.calling import HELLO, eventually
from tests.support.faulty_store import FaultyStore, deny
from tests.support.listening import listening
from tests.support.receivers import Receiver

QUICK = Timings(escalation_store=0.01, escalation_webhook=(0.01, 0.01, 0.01), escalation_finish=2.0)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, Webhook]]:
    """A receiver, and the webhook that reaches it."""
    receiver = Receiver()
    async with listening(receiver.serve) as port:
        yield receiver, Webhook(transport(TransportOptions()), f"http://127.0.0.1:{port}/hook?a=b", allow_private=True)


@pytest.fixture
def noted() -> CapturingLogger:
    """What was logged."""
    return CapturingLogger()


@pytest_asyncio.fixture
async def queue(redis_url: str, noted: CapturingLogger) -> AsyncIterator[tuple[Escalations, FaultyStore]]:
    """Escalations over a real store, which retry within milliseconds."""
    store = FaultyStore(connect(redis_url), "replica")
    yield Escalations(store, log_to(noted), QUICK), store
    await store.aclose()


def log_to(noted: CapturingLogger) -> Log:
    log: Log = structlog.wrap_logger(noted, processors=[lambda _, __, event: ((), event)])
    return log


def hand_over(queue: Escalations, agent: str, call_id: str = "c-1", failure: str = "down") -> None:
    document = Document.parse(json.dumps({"messages": HELLO}).encode())
    call = Call(call_id, Caller("app", "default"), agent, None, document, False, False, [], "", 0.0, format="openai")
    outcome = Outcome(call_id, "app", agent, "v1", "split", "u", 0, 0, None, False, 0.0)
    outcome.attempts.append(Attempt("standin/good", 0.0, message=failure))
    queue.hand_over(call, outcome, 1.5)


@asynccontextmanager
async def delivering(escalations: Escalations) -> AsyncIterator[None]:
    task = asyncio.create_task(escalations.deliver_for_ever())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def stored(store: Any, agent: str) -> list[dict[str, str]]:
    page = await store.escalations([agent], 100)
    return [(await store.escalation([agent], handed.event["call_id"])).event for _, handed in reversed(page)]


async def test_stored_and_told_once(agent: str, queue: Any, receiver: Any) -> None:
    """The store has the conversation and the webhook is told once, with the call's id as idempotency key."""
    (escalations, store), (there, escalations.webhook) = queue, receiver
    async with delivering(escalations):
        hand_over(escalations, agent, failure="half \ud83d")
        await eventually(lambda: there.keys == ["c-1"])
        [event] = await stored(store, agent)
        [body] = there.bodies
        assert body == {
            "type": "escalation.opened", "body_version": 2, "escalation_id": "c-1", "sequence": 1, "call_id": "c-1",
            "agent": agent, "version": "v1", "caller": "app", "request_id": None, "conversation": None,
            "at": "1970-01-01T00:00:01.500Z", "failure": "half \\ud83d",
            "messages": HELLO, "messages_left_out": 0, "messages_new": 1,
        }  # fmt: skip
        assert event["call_id"] == "c-1"
        assert json.loads(event["messages"]) == HELLO


async def test_webhook_that_fails_is_told_again(agent: str, queue: Any, receiver: Any) -> None:
    """Under the same key, until it says 2xx; the store has the conversation once."""
    (escalations, store), (there, escalations.webhook) = queue, receiver
    there.statuses = [500, 302]
    async with delivering(escalations):
        hand_over(escalations, agent)
        await eventually(lambda: len(there.keys) == 3)
        await asyncio.sleep(0.05)
        assert there.keys == ["c-1"] * 3
        assert len(await stored(store, agent)) == 1


async def test_webhook_that_always_fails(agent: str, queue: Any, receiver: Any) -> None:
    """It is told so many times and no more."""
    (escalations, _), (there, escalations.webhook) = queue, receiver
    there.statuses = [500] * 9
    async with delivering(escalations):
        hand_over(escalations, agent)
        await eventually(lambda: len(there.keys) == 4)
        await asyncio.sleep(0.1)
        assert len(there.keys) == 4


async def test_slow_webhook_holds_nobody_up(agent: str, queue: Any, receiver: Any) -> None:
    """While one notice waits for its answer the next conversations are stored and told."""
    (escalations, store), (there, escalations.webhook) = queue, receiver
    there.slow = {"c-0"}
    async with delivering(escalations):
        for number in range(4):
            hand_over(escalations, agent, f"c-{number}")
        await eventually(lambda: sorted(there.keys) == ["c-0", "c-1", "c-2", "c-3"], within=2)
        assert len(await stored(store, agent)) == 4


async def test_store_that_is_away(agent: str, queue: Any) -> None:
    """What cannot be stored yet is kept, in order, and stored when the store is back."""
    escalations, store = queue
    store.script("escalate", deny, deny, deny)
    async with delivering(escalations):
        hand_over(escalations, agent, "c-1")
        hand_over(escalations, agent, "c-2")
        async with asyncio.timeout(5):
            while [event["call_id"] for event in await stored(store, agent)] != ["c-1", "c-2"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_the_stop_delivers_what_is_left(agent: str, queue: Any, receiver: Any) -> None:
    """Queued, or in the middle of its retries: a stop stores it, and tells the webhook once more."""
    (escalations, store), (there, escalations.webhook) = queue, receiver
    there.slow = {"c-1"}
    async with delivering(escalations):
        hand_over(escalations, agent, "c-1")
        await eventually(lambda: there.keys == ["c-1"])
    there.slow = set()
    hand_over(escalations, agent, "c-2")
    await escalations.finish()
    assert sorted(there.keys) == ["c-1", "c-1", "c-2"]
    assert len(await stored(store, agent)) == 2


async def test_stop_while_the_store_is_away(noted: CapturingLogger, agent: str, queue: Any) -> None:
    """The stop does not wait for ever; what is lost is named in the log."""
    _, store = queue
    escalations = Escalations(store, log_to(noted), replace(QUICK, escalation_finish=0.1))
    hand_over(escalations, agent, "c-lost")
    with store.faulty("escalate"):
        await escalations.finish()
    assert noted.calls[-1].kwargs == {"event": "escalations_lost", "ids": ["c-lost"]}


@pytest.mark.parametrize("room", [QueueRoom(handovers=1), QueueRoom(bytes=1)], ids=str)
async def test_queue_is_bounded(noted: CapturingLogger, agent: str, queue: Any, room: QueueRoom) -> None:
    """With people hopelessly behind, memory is not filled: a conversation is dropped, and the log says so."""
    _, store = queue
    escalations = Escalations(store, log_to(noted), QUICK, room)
    for number in range(3):
        hand_over(escalations, agent, f"c-{number}")
    await escalations.finish()
    assert "escalation_dropped" in [call.kwargs["event"] for call in noted.calls]
    assert len(await stored(store, agent)) < 3


async def test_the_webhook_is_signed(agent: str, queue: Any, receiver: Any) -> None:
    """With a secret the receiver can tell that it was us, and that nobody has changed a byte."""
    (escalations, _), (there, webhook) = queue, receiver
    escalations.webhook = replace(webhook, secret=b"a secret")
    async with delivering(escalations):
        hand_over(escalations, agent)
        await eventually(lambda: there.keys == ["c-1"])
    timestamp, signature = (there.fields[name.decode()].encode() for name in (TIMESTAMP, SIGNATURE))
    assert is_signed(b"a secret", timestamp, signature, there.raw, time())


async def test_each_of_a_hundred_is_told_once(agent: str, queue: Any, receiver: Any) -> None:
    """However they come, though the store was away in between, and though some are under way at the stop."""
    (escalations, store), (there, escalations.webhook) = queue, receiver
    there.seconds = 0.02
    async with delivering(escalations):
        for number in range(100):
            if number % 30 == 0:
                store.script("escalate", deny)
            hand_over(escalations, agent, f"c-{number}")
            await asyncio.sleep(0)
        await eventually(lambda: len(there.keys) >= 100)
    await escalations.finish()
    assert sorted(there.keys) == sorted(f"c-{number}" for number in range(100))


async def test_a_task_that_never_began_loses_nothing(agent: str, queue: Any, receiver: Any) -> None:
    """The stop comes when the conversation was stored and its notice not yet begun: the webhook still hears of it."""
    (escalations, store), (there, escalations.webhook) = queue, receiver
    hand_over(escalations, agent)
    handover = await escalations._store_next()
    task = asyncio.create_task(escalations._unsent.tell_with_retries(handover))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert there.keys == []
    await escalations.finish()
    assert there.keys == ["c-1"] and len(await stored(store, agent)) == 1


class Broken(Webhook):
    """Fails in a way that nobody foresaw."""

    async def post(self, payload: Any, key: str) -> None:
        raise RuntimeError("a bug")


async def test_a_bug_ends(agent: str, queue: Any, receiver: Any) -> None:
    """What cannot be told by our own fault is tried again after a restart of the work, and not for ever."""
    (escalations, _), (_, webhook) = queue, receiver
    escalations.webhook = Broken(webhook.transport, webhook.url)
    hand_over(escalations, agent)
    for _ in range(4):
        with pytest.raises(ExceptionGroup):
            async with asyncio.timeout(5):
                await escalations.deliver_for_ever()
    async with delivering(escalations):
        await eventually(lambda: not len(escalations._unsent.waiting))


async def test_a_webhook_that_is_behind_costs_no_record(noted: CapturingLogger, agent: str, queue: Any) -> None:
    """What waits for it is bounded, and the store has every conversation all the same."""
    _, store = queue
    escalations = Escalations(store, log_to(noted), QUICK, QueueRoom(handovers=2))
    for number in range(5):
        hand_over(escalations, agent, f"c-{number}")
        assert await escalations._store_next() is not None or number > 1
    assert len(await stored(store, agent)) == 5
    assert [call.kwargs["event"] for call in noted.calls] == ["escalation_not_sent"] * 3


async def test_a_conversation_is_cut(agent: str, queue: Any, receiver: Any) -> None:
    """Twenty megabytes come to a few kilobytes in memory, in the store and at the webhook."""
    (escalations, store), (there, escalations.webhook) = queue, receiver
    turns = [{"role": "user", "content": "long " * 4_000_000}, {"role": "user", "content": "and now?"}]
    document = Document({"messages": turns}, {"messages": "[]"})
    call = Call("c-1", Caller("app", "default"), agent, None, document, False, False, [], "", 0.0, format="openai")
    tracemalloc.start()
    escalations.hand_over(call, Outcome("c-1", "app", agent, "v1", "split", "u", 0, 0, None, False, 0.0), 1.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    async with delivering(escalations):
        await eventually(lambda: there.keys == ["c-1"])
    [event] = await stored(store, agent)
    assert len(there.raw) < 40_000 and len(event["messages"]) < 40_000
    assert there.bodies[0]["messages"][-1] == turns[-1]


def test_agents_share_the_store() -> None:
    """All together keep within a bound, and each has some room however many there are."""
    escalations = Escalations(None, None)  # type: ignore[arg-type]  # nothing is delivered
    shares = {}
    for agents in (0, 1, 8, 64, 10_000):
        escalations.share_among(f"agent-{number}" for number in range(agents))
        shares[agents] = escalations.most_bytes
    assert shares == {0: 32 << 20, 1: 32 << 20, 8: 32 << 20, 64: 4 << 20, 10_000: 1 << 20}
