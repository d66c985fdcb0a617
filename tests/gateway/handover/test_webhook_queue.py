"""What the webhook is told of a conversation: that it was handed over, once, and its further turns, in order."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from time import time
from typing import Any

import pytest
import pytest_asyncio
import structlog
from structlog.testing import CapturingLogger

from gateway.calls import Attempt, Call, Caller, Outcome
from gateway.handover.escalation import Escalations
from gateway.json_body import Document
from gateway.logs import Log
from gateway.net.client.options import TransportOptions
from gateway.net.client.upstreams import transport
from gateway.store import connect
from gateway.store.handover_seam import HumanReply
from gateway.store.handovers import MOST_DELIVERED
from gateway.timings import Timings
from gateway.webhook.webhook import Webhook
from tests.support.calling import eventually
from tests.support.faulty_store import FaultyStore, deny, late
from tests.support.listening import listening
from tests.support.receivers import Receiver

QUICK = Timings(
    escalation_store=0.01, escalation_webhook=(0.05, 0.05, 0.05), escalation_finish=2.0, escalation_held=0.5,
    escalation_look=0.1,
)  # fmt: skip
Replica = Callable[[], tuple[Escalations, FaultyStore]]


@pytest_asyncio.fixture
async def there() -> AsyncIterator[Receiver]:
    """A receiver, which `replica` tells."""
    receiver = Receiver()
    async with listening(receiver.serve) as port:
        receiver.fields["url"] = f"http://127.0.0.1:{port}/hook"
        yield receiver


@pytest_asyncio.fixture
async def replica(redis_url: str, agent: str, there: Receiver) -> AsyncIterator[Replica]:
    """Makes replicas over one store: their queues, and each one's way to the store."""
    stores: list[FaultyStore] = []
    url = there.fields["url"]

    def make() -> tuple[Escalations, FaultyStore]:
        store = FaultyStore(connect(redis_url), f"replica-{len(stores)}")
        stores.append(store)
        log: Log = structlog.wrap_logger(CapturingLogger(), processors=[lambda _, __, event: ((), event)])
        queue = Escalations(store, log, QUICK)
        queue.share_among([agent])
        queue.webhook = Webhook(transport(TransportOptions()), url, allow_private=True)
        return queue, store

    yield make
    for store in stores:
        await store.aclose()


def hand_over(queue: Escalations, agent: str, call_id: str, turns: int = 1, name: str = "chat-1") -> None:
    messages = [{"role": "user", "content": f"turn {turn}"} for turn in range(turns)]
    document = Document.parse(json.dumps({"messages": messages}).encode())
    call = Call(call_id, Caller("app", "default"), agent, None, document, False, False, [], "", 0.0,
                format="openai", conversation_header=name)  # fmt: skip
    outcome = Outcome(call_id, "app", agent, "v1", "split", "u", 0, 0, None, False, 0.0)
    outcome.attempts.append(Attempt("standin/good", 0.0, message="down"))
    queue.hand_over(call, outcome, 1.5)


async def stop(task: "asyncio.Task[None]", queue: Escalations) -> None:
    """End the work as a replica does that stops."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await queue.finish()


def deliveries(there: Receiver) -> list[tuple[str, str, int]]:
    return [(body["type"], body["call_id"], body["sequence"]) for body in there.bodies]


async def test_a_delivery_under_way_at_the_stop(agent: str, replica: Replica, there: Receiver) -> None:
    """The receiver has it and has not answered yet when the gateway stops: it is not told again."""
    queue, _ = replica()
    there.seconds = 0.2
    work = asyncio.create_task(queue.deliver_for_ever())
    for number in range(12):
        hand_over(queue, agent, f"c-{number}", name="")
    await eventually(lambda: len(there.keys) == 8)
    await stop(work, queue)
    assert sorted(there.keys) == sorted(f"c-{number}" for number in range(12))


async def test_a_delivery_under_way_that_fails_at_the_stop(agent: str, replica: Replica, there: Receiver) -> None:
    """It is sent once more, under the same key."""
    queue, _ = replica()
    there.seconds, there.statuses = 0.2, [500]
    work = asyncio.create_task(queue.deliver_for_ever())
    hand_over(queue, agent, "c-1")
    await eventually(lambda: there.keys == ["c-1"])
    await stop(work, queue)
    assert there.keys == ["c-1", "c-1"]


@dataclass(frozen=True, slots=True)
class Cancelling(Webhook):
    """Cancels the work at the moment at which the receiver has answered."""

    work: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def post(self, payload: Any, key: str) -> None:
        await Webhook.post(self, payload, key)
        self.work[0].cancel()


async def test_a_delivery_that_ends_with_the_work(agent: str, replica: Replica, there: Receiver) -> None:
    """The stop comes in the moment in which the receiver has taken it: it is not told again."""
    queue, _ = replica()
    webhook = queue.webhook
    assert webhook is not None
    queue.webhook = cancelling = Cancelling(webhook.transport, webhook.url, allow_private=True)
    hand_over(queue, agent, "c-1")
    work = asyncio.create_task(queue.deliver_for_ever())
    cancelling.work.append(work)
    await asyncio.gather(work, return_exceptions=True)
    await queue.finish()
    assert there.keys == ["c-1"]


async def test_a_bug_repeats_no_delivery(agent: str, replica: Replica, there: Receiver) -> None:
    """Work that fails and begins again finds the deliveries that are under way, and waits for their end."""
    queue, store = replica()
    there.seconds = 0.3
    hand_over(queue, agent, "c-1")
    work = asyncio.create_task(queue.deliver_for_ever())
    await eventually(lambda: there.keys == ["c-1"])
    with store.faulty("escalate", fault=fail):
        hand_over(queue, agent, "c-2", name="chat-2")
        with pytest.raises(ExceptionGroup):
            await work
    work = asyncio.create_task(queue.deliver_for_ever())
    await eventually(lambda: len(there.keys) == 2)
    await stop(work, queue)
    assert sorted(there.keys) == ["c-1", "c-2"]


async def fail(_: Any) -> None:
    raise RuntimeError("a bug")


async def test_a_slow_store_repeats_no_delivery(agent: str, replica: Replica, there: Receiver) -> None:
    """What is noted after a delivery takes long, and the gateway stops meanwhile."""
    queue, store = replica()
    work = asyncio.create_task(queue.deliver_for_ever())
    with store.faulty("mark_escalation_accepted", fault=late(0.5)):
        hand_over(queue, agent, "c-1")
        await eventually(lambda: there.keys == ["c-1"])
        await asyncio.sleep(0.05)
        await stop(work, queue)
    assert there.keys == ["c-1"]


async def test_one_delivery_for_a_conversation(agent: str, replica: Replica, there: Receiver) -> None:
    """Two replicas take its calls in turns: one handover, then messages that say what of them is new."""
    (one, store), (other, _) = replica(), replica()
    work = [asyncio.create_task(queue.deliver_for_ever()) for queue in (one, other)]
    for number in range(1, 5):
        hand_over((one, other)[number % 2], agent, f"c-{number}", turns=2 * number - 1)
        await eventually(lambda number=number: len(there.keys) == number)  # type: ignore[misc]
    assert deliveries(there) == [
        ("escalation.opened", "c-1", 1), ("escalation.message", "c-2", 2),
        ("escalation.message", "c-3", 3), ("escalation.message", "c-4", 4),
    ]  # fmt: skip
    assert {body["escalation_id"] for body in there.bodies} == {"c-1"}
    assert [body["messages_new"] for body in there.bodies] == [1, 2, 2, 2]
    [(_, handed)] = await store.escalations([agent], 10)
    assert (handed.event["call_id"], handed.calls) == ("c-1", 4) and handed.accepted_at is not None
    for task, queue in zip(work, (one, other), strict=True):
        await stop(task, queue)


async def test_many_replicas_at_once(agent: str, replica: Replica, there: Receiver) -> None:
    """However the calls of ten conversations come over four replicas: each opens once, and no number comes twice."""
    there.seconds = 0.01
    replicas = [replica() for _ in range(4)]
    work = [asyncio.create_task(queue.deliver_for_ever()) for queue, _ in replicas]
    for number in range(80):
        if number % 20 == 0:
            replicas[number // 20][1].script("escalate", deny)
        hand_over(replicas[number % 4][0], agent, f"c-{number}", name=f"chat-{number % 10}")
        await asyncio.sleep(0)
    await eventually(lambda: len(there.keys) == 80)
    for task, (queue, _) in zip(work, replicas, strict=True):
        await stop(task, queue)
    assert len(there.keys) == len(set(there.keys)) == 80
    numbers = sorted((body["escalation_id"], body["sequence"]) for body in there.bodies)
    assert [number for _, number in numbers] == list(range(1, 9)) * 10


async def test_a_message_waits_for_its_handover(agent: str, replica: Replica, there: Receiver) -> None:
    """The receiver refuses the handover twice: its further turn comes after it, another conversation does not wait."""
    queue, _ = replica()
    there.statuses = [500, 200, 500]
    work = asyncio.create_task(queue.deliver_for_ever())
    hand_over(queue, agent, "c-1")
    hand_over(queue, agent, "c-2", turns=3)
    hand_over(queue, agent, "d-1", name="chat-2")
    await eventually(lambda: len(there.keys) == 5)
    await stop(work, queue)
    assert there.keys == ["c-1", "d-1", "c-1", "c-1", "c-2"]


async def test_further_turns_are_bounded(agent: str, replica: Replica, there: Receiver) -> None:
    """A client that goes on and on fills nobody's desk; the store has its latest messages, and finds later calls."""
    queue, store = replica()
    for number in range(1, MOST_DELIVERED + 6):
        hand_over(queue, agent, f"c-{number}", turns=number)
    await queue.finish()
    assert [sequence for _, _, sequence in deliveries(there)] == list(range(1, MOST_DELIVERED + 1))
    for call_id in ("c-1", "c-2"):
        found = await store.escalation([agent], call_id)
        assert found is not None and (found.event["call_id"], found.calls) == ("c-1", MOST_DELIVERED + 5)
        assert len(json.loads(found.event["messages"])) == MOST_DELIVERED + 5


async def test_after_a_reply_comes_a_new_handover(agent: str, replica: Replica, there: Receiver) -> None:
    """A person has answered; when the models fail again, somebody is to hear of it again."""
    queue, store = replica()
    hand_over(queue, agent, "c-1")
    await queue.finish()
    handed = await store.escalation([agent], "c-1")
    assert handed is not None
    assert await store.reply(agent, HumanReply("c-1", handed.event["conversation"], "hello", "kim", time()))
    hand_over(queue, agent, "c-2", turns=3)
    await queue.finish()
    assert deliveries(there) == [("escalation.opened", "c-1", 1), ("escalation.opened", "c-2", 1)]


async def test_conversations_without_a_name(agent: str, replica: Replica, there: Receiver) -> None:
    """Two users who begin alike are two handovers: nothing tells that they are not."""
    queue, _ = replica()
    for number in range(2):
        hand_over(queue, agent, f"c-{number}", name="")
    await queue.finish()
    assert {kind for kind, _, _ in deliveries(there)} == {"escalation.opened"} and len(there.keys) == 2


async def test_a_shorter_history(agent: str, replica: Replica, there: Receiver) -> None:
    """A client that sends its latest messages alone: what of them is new is not known, and not made up."""
    queue, _ = replica()
    hand_over(queue, agent, "c-1", turns=3)
    hand_over(queue, agent, "c-2", turns=3)
    await queue.finish()
    assert [body["messages_new"] for body in there.bodies] == [3, None]


async def test_a_receiver_that_hangs_at_the_stop(agent: str, replica: Replica, there: Receiver) -> None:
    """The stop ends in its time and leaves nothing running; the next turn is not told before."""
    queue, _ = replica()
    queue._unsent._timings = replace(QUICK, escalation_finish=0.6)
    there.slow = {"c-1"}
    work = asyncio.create_task(queue.deliver_for_ever())
    hand_over(queue, agent, "c-1")
    hand_over(queue, agent, "c-2", turns=2)
    await eventually(lambda: there.keys == ["c-1"])
    async with asyncio.timeout(4):
        await stop(work, queue)
    assert there.keys == ["c-1", "c-1"] and not queue._unsent._posts


async def kill(task: "asyncio.Task[None]", queue: Escalations) -> None:
    """End the work as SIGKILL does: nothing is sent, stored or said any more."""
    posts = list(queue._unsent._posts.values())
    for each in (task, *posts):
        each.cancel()
    await asyncio.gather(task, *posts, return_exceptions=True)


async def test_another_replica_delivers_what_a_dead_one_held(agent: str, replica: Replica, there: Receiver) -> None:
    """Under the same keys and in the same order, with the same bodies; then nobody does once more."""
    (dead, _), (other, store) = replica(), replica()
    there.slow = {"c-1"}
    work = asyncio.create_task(dead.deliver_for_ever())
    hand_over(dead, agent, "c-1")
    hand_over(dead, agent, "c-2", turns=3)
    await eventually(lambda: there.keys == ["c-1"] and not dead._unstored)
    await kill(work, dead)
    there.slow.clear()
    work = asyncio.create_task(other.deliver_for_ever())
    await eventually(lambda: len(there.keys) == 3)
    await asyncio.sleep(2 * QUICK.escalation_held)
    assert there.keys == ["c-1", "c-1", "c-2"] and there.bodies[0] == there.bodies[1]
    assert (there.bodies[2]["sequence"], there.bodies[2]["messages_new"]) == (2, 2)
    [(_, handed)] = await store.escalations([agent], 10)
    assert handed.accepted_at is not None
    await stop(work, other)


async def test_a_replica_that_lives_keeps_what_it_delivers(agent: str, replica: Replica, there: Receiver) -> None:
    """Its receiver takes longer than a delivery is held at once: nobody else delivers it meanwhile."""
    (slow, _), (other, _) = replica(), replica()
    there.seconds = 3 * QUICK.escalation_held
    work = [asyncio.create_task(queue.deliver_for_ever()) for queue in (slow, other)]
    hand_over(slow, agent, "c-1")
    await eventually(lambda: not slow._unsent.waiting and there.keys != [])
    await asyncio.sleep(QUICK.escalation_held)
    assert there.keys == ["c-1"]
    for task, queue in zip(work, (slow, other), strict=True):
        await stop(task, queue)


async def test_a_store_that_is_away_when_the_webhook_took_it(agent: str, replica: Replica, there: Receiver) -> None:
    """The store hears of it when it is back: nobody delivers it again."""
    (queue, store), (other, _) = replica(), replica()
    work = [asyncio.create_task(each.deliver_for_ever()) for each in (queue, other)]
    with store.faulty("settle_delivery", fault=deny):
        hand_over(queue, agent, "c-1")
        await eventually(lambda: there.keys == ["c-1"] and store.calls["settle_delivery"] > 0)
    await asyncio.sleep(2 * QUICK.escalation_held)
    assert there.keys == ["c-1"] and await store.take_deliveries([agent], 10, 1.0) == []
    for task, each in zip(work, (queue, other), strict=True):
        await stop(task, each)


async def test_a_stop_leaves_the_rest_to_others(agent: str, replica: Replica, there: Receiver) -> None:
    """What a receiver did not take before the stop is delivered at once by a replica that goes on."""
    (queue, store), _ = replica(), replica()
    there.statuses = [500]
    hand_over(queue, agent, "c-1")
    await queue.finish()
    assert [each.event["call_id"] for each in await store.take_deliveries([agent], 10, 1.0)] == ["c-1"]


async def test_what_no_webhook_takes_is_given_up(agent: str, replica: Replica, there: Receiver) -> None:
    """It was told often enough: the store alone has the conversation, and no replica begins anew."""
    queue, store = replica()
    there.statuses = [500] * 4
    work = asyncio.create_task(queue.deliver_for_ever())
    hand_over(queue, agent, "c-1")
    await eventually(lambda: len(there.keys) == 4 and store.calls["settle_delivery"] > 0)
    await asyncio.sleep(2 * QUICK.escalation_held)
    assert len(there.keys) == 4
    await stop(work, queue)
