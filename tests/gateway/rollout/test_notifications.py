"""Notices: everybody who is to hear of a decision does, whoever made it and whoever dies."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic, time

import pytest
import pytest_asyncio
import structlog
from structlog.testing import CapturingLogger

from gateway.net.client.options import TransportOptions
from gateway.net.client.upstreams import transport
from gateway.rollout.notice_formats import payload
from gateway.rollout.notifications import GIVE_UP_SECONDS, Notices, Receiver
from gateway.rollout.recorder import Clock
from gateway.rollout.table import Table
from gateway.rollout.target_faults import Fault
from gateway.store import Notice, RedisStore, connect
from gateway.timings import USUAL, Timings
from gateway.webhook.webhook import Webhook
from tests.support.decisions import beginning, following
from tests.support.faulty_store import FaultyStore, deny
from tests.support.listening import listening
from tests.support.receivers import Receiver as Server
from tests.support.trials import agent_named

ACTIONS = frozenset({"start", "roll_back", "pause"})
NewNotices = Callable[..., Notices]


@pytest_asyncio.fixture
async def there() -> AsyncIterator[tuple[Server, Webhook]]:
    """A receiver's server, and the webhook that reaches it."""
    server = Server()
    async with listening(server.serve) as port:
        yield server, Webhook(transport(TransportOptions()), f"http://127.0.0.1:{port}/hook", allow_private=True)


@pytest.fixture
def noted() -> CapturingLogger:
    """What was logged."""
    return CapturingLogger()


@pytest_asyncio.fixture
async def new_notices(redis_url: str, agent: str, noted: CapturingLogger) -> AsyncIterator[NewNotices]:
    """Makes replicas' notices of one agent; `later` seconds is how far their clocks are ahead."""
    async with AsyncExitStack() as stack:

        def make(*receivers: Receiver, later: float = 0.0, timings: Timings = USUAL) -> Notices:
            store, table = FaultyStore(connect(redis_url), uuid.uuid4().hex), Table()
            stack.push_async_callback(store.aclose)
            table.install({agent: agent_named(agent)})
            log = structlog.wrap_logger(noted, processors=[lambda _, __, event: ((), event)])
            made = Notices(store, table, log, Clock(monotonic, lambda: time() + later), timings)
            made.receivers = receivers
            return made

        yield make


def receiver(webhook: Webhook, agents: frozenset[str] | None = None) -> Receiver:
    return Receiver("ops", webhook, "json", agents, ACTIONS)


def events(noted: CapturingLogger) -> list[str]:
    return [call.kwargs["event"] for call in noted.calls]


async def test_a_decision_is_told_once(
    agent: str, store: RedisStore, there: tuple[Server, Webhook], new_notices: NewNotices
) -> None:
    """The audit event, under its key; by whichever replica looks first."""
    server, webhook = there
    await store.commit(agent, beginning(), "config")
    for replica in (new_notices(receiver(webhook)), new_notices(receiver(webhook))):
        await replica.deliver()
    assert server.keys == [f"{agent}:1"]
    (body,) = server.bodies
    assert (body["key"], body["agent"], body["action"], body["epoch_after"]) == (f"{agent}:1", agent, "start", 1)


async def test_a_receiver_that_fails_is_told_again(
    agent: str, store: RedisStore, there: tuple[Server, Webhook], new_notices: NewNotices,
    noted: CapturingLogger
) -> None:  # fmt: skip
    """Under the same key, until it has taken it; then never again."""
    server, webhook = there
    server.statuses = [500, 503]
    await store.commit(agent, beginning(), "config")
    replica = new_notices(receiver(webhook), timings=Timings(notice_claim=0.001))
    for _ in range(4):
        await replica.deliver()
        await asyncio.sleep(0.01)
    assert server.keys == [f"{agent}:1"] * 3
    assert events(noted) == ["notice_failed", "notice_failed", "notified"]


async def test_another_replica_takes_over(
    agent: str, store: RedisStore, there: tuple[Server, Webhook], new_notices: NewNotices
) -> None:  # fmt: skip
    """The winner took the notice and died before it was told: not at once, for it may only be slow."""
    server, webhook = there
    await store.commit(agent, beginning(), "config")
    assert len(await store.claim_notices([agent], 100, 10)) == 1
    await new_notices(receiver(webhook)).deliver()
    assert server.keys == []
    await asyncio.sleep(0.06)
    await new_notices(receiver(webhook), timings=Timings(notice_claim=0.05)).deliver()
    assert server.keys == [f"{agent}:1"]


async def test_only_who_wants_it_is_told(
    agent: str, store: RedisStore, there: tuple[Server, Webhook], new_notices: NewNotices
) -> None:
    """By agent and by action; what nobody wants to hear is done with."""
    server, webhook = there
    committed = await store.commit(agent, beginning(), "config")
    assert committed.state
    await store.commit(agent, following(committed.state, action="freeze"), "config")
    replica = new_notices(receiver(webhook, frozenset({"another"})), receiver(webhook, frozenset({agent})))
    await replica.deliver()
    assert server.keys == [f"{agent}:1"] and await store.claim_notices([agent], 0, 10) == []


async def test_all_receivers_have_it_or_it_is_not_delivered(
    agent: str, store: RedisStore, there: tuple[Server, Webhook], new_notices: NewNotices
) -> None:
    """One of two is unreachable: the notice stays, and no replica tells the one that has it again."""
    server, webhook = there
    nowhere = Webhook(transport(TransportOptions()), "http://127.0.0.1:1/", allow_private=True)
    await store.commit(agent, beginning(), "config")
    for _ in range(3):
        replica = new_notices(receiver(webhook), receiver(nowhere), timings=Timings(notice_claim=0.001))
        await replica.deliver()
        await asyncio.sleep(0.01)
    assert server.keys == [f"{agent}:1"] and len(await store.claim_notices([agent], 0, 10)) == 1


async def test_a_receiver_that_moves_in_the_list_is_not_told_again(
    agent: str, store: RedisStore, there: tuple[Server, Webhook], new_notices: NewNotices
) -> None:
    """It is known by its address; another format of the same address is another receiver."""
    server, webhook = there
    nowhere = Webhook(transport(TransportOptions()), "http://127.0.0.1:1/", allow_private=True)
    await store.commit(agent, beginning(), "config")
    slack = replace(receiver(webhook), format="slack")
    for receivers in ((receiver(nowhere), receiver(webhook)), (receiver(webhook), slack, receiver(nowhere))):
        await new_notices(*receivers, timings=Timings(notice_claim=0.001)).deliver()
        await asyncio.sleep(0.01)
    assert server.keys == [f"{agent}:1"] * 2 and ["text" in body for body in server.bodies] == [False, True]


async def test_an_alarm_is_settled_for_each_receiver(
    agent: str, there: tuple[Server, Webhook], new_notices: NewNotices
) -> None:
    """A misconfigured target: the receiver that hears of it hears once, though another one is down."""
    server, webhook = there
    wants = frozenset({"misconfigured"})
    nowhere = Webhook(transport(TransportOptions()), "http://127.0.0.1:1/", allow_private=True)
    replica = new_notices(*(replace(receiver(each), actions=wants) for each in (webhook, nowhere)))
    replica.alarm(agent, "mine/good", Fault("is wrong", "mend it"))
    for _ in range(6):
        await replica.deliver_alarms()
    assert len(server.keys) == 1


async def test_after_a_day_it_is_given_up(
    agent: str, store: RedisStore, new_notices: NewNotices, noted: CapturingLogger
) -> None:
    """And logged as an error: the audit still has it."""
    nowhere = Webhook(transport(TransportOptions()), "http://127.0.0.1:1/", allow_private=True)
    await store.commit(agent, beginning(), "config")
    await new_notices(receiver(nowhere), later=GIVE_UP_SECONDS + 60).deliver()
    assert events(noted)[-1] == "notice_given_up" and await store.claim_notices([agent], 0, 10) == []


async def test_an_outage_ends_no_delivering(
    agent: str, store: RedisStore, there: tuple[Server, Webhook], new_notices: NewNotices
) -> None:  # fmt: skip
    """The store is away at the first look; the next one delivers."""
    server, webhook = there
    await store.commit(agent, beginning(), "config")
    replica = new_notices(receiver(webhook), timings=Timings(notices=0.01))
    assert isinstance(replica._store, FaultyStore)
    replica._store.script("claim_notices", deny)
    working = asyncio.create_task(replica.deliver_for_ever())
    async with asyncio.timeout(3):
        while not server.keys:  # noqa: ASYNC110 - the receiver has no event to wait for
            await asyncio.sleep(0.01)
    working.cancel()


def test_slack_gets_text_and_no_mention() -> None:
    """What anybody wrote as a reason calls nobody and links nowhere; the names are words."""
    event = {
        "agent": "support", "action": "roll_back", "actor": "kim", "epoch_after": 7,
        "canary": {"version": "v2", "digest": "d"}, "reason": "<!channel> see <https://evil.example|this> & that",
    }  # fmt: skip
    text = payload(Notice("support", "1-0", "support:7", event), "slack")["text"]
    assert text == (
        "support: roll back of v2 by kim (epoch 7). "
        "&lt;!channel&gt; see &lt;https://evil.example|this&gt; &amp; that. Run 'serinus explain support'."
    )  # fmt: skip


def test_an_event_without_a_canary_is_told_too() -> None:
    """The end of a trial names none."""
    event = {"agent": "a", "action": "end", "actor": "configuration", "epoch_after": 2, "canary": None, "reason": "r"}
    assert payload(Notice("a", "1-0", "a:2", event), "slack") == {
        "text": "a: end of the canary by configuration (epoch 2). r."
    }
