"""The last target, `human`: hands a conversation over to people and answers the client at once.

The client gets a well-formed completion that says so. The handover itself goes into the store's stream and to the
webhook from a queue, so that no call waits for either; what cannot be delivered yet is kept and tried again.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.calls import Answer, Call, Outcome
from gateway.conversation import conversation_key, name_of
from gateway.errors import CallerError, GatewayError, ProviderError, StoreAway
from gateway.formats.clients import as_one_message, chat_messages, statement
from gateway.handover.excerpt import excerpt
from gateway.headers import EVENT_STREAM, JSON
from gateway.logs import Log
from gateway.store.handovers import MOST_BYTES
from gateway.store.seam import Store
from gateway.timings import USUAL, Timings
from gateway.webhook.webhook import Webhook
from policies.calls.retry import is_outage

ESCALATED = (b"x-serinus-escalated", b"human")
MOST_MESSAGE_CHARACTERS = 32_000  # of JSON, kept and told of one conversation: its latest messages
_LONGEST_FAILURE = 500
_WEBHOOKS_AT_ONCE = 8  # so that one slow receiver of many does not hold up the other notices
_MOST_BYTES_OF_ALL = 256 << 20  # in the store, of all agents together
_LEAST_BYTES = 1 << 20  # of one agent, however many there are


@dataclass(slots=True, eq=False)
class Handover:
    """A conversation on its way to people. `tries` counts the webhook's attempts."""

    agent: str
    event: Mapping[str, str]
    tries: int = 0

    @property
    def call_id(self) -> str:
        return self.event["call_id"]

    @property
    def size(self) -> int:
        return sum(map(len, self.event.values()))


@dataclass(frozen=True, slots=True)
class QueueRoom:
    """Limits of the two queues, store and webhook: conversations and bytes in each."""

    handovers: int = 10_000
    bytes: int = 64 << 20


_ROOM = QueueRoom()


class _Waiting:
    """Handovers that wait for one thing, bounded in number and bytes, in the order in which they came."""

    def __init__(self, room: QueueRoom) -> None:
        self._room = room
        self._handovers: dict[int, Handover] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._handovers)

    def __iter__(self) -> Iterator[Handover]:
        return iter(list(self._handovers.values()))

    def first(self) -> Handover | None:
        return next(iter(self._handovers.values()), None)

    def add(self, handover: Handover) -> bool:
        """Add an entry if there is room; return whether there was."""
        if len(self) >= self._room.handovers or self._bytes + handover.size > self._room.bytes:
            return False
        self._handovers[id(handover)] = handover
        self._bytes += handover.size
        return True

    def remove(self, handover: Handover) -> None:
        self._bytes -= self._handovers.pop(id(handover)).size


class Escalations:
    """The queues of handovers of one replica: first all go into the store, in order, then the webhook is told.

    `webhook` and `most_bytes`, what one agent's may take in the store, follow the configuration. What waits is held
    here, never by the tasks alone: one that is cancelled before it begins must not take its handover with it.
    """

    def __init__(self, store: Store, log: Log, timings: Timings = USUAL, room: QueueRoom = _ROOM) -> None:
        self._store = store
        self._log = log
        self._timings = timings
        self.webhook: Webhook | None = None
        self.most_bytes = MOST_BYTES
        self._unstored = _Waiting(room)
        self._unsent = _Waiting(room)
        self._wake = asyncio.Event()
        self._at_once = asyncio.Semaphore(_WEBHOOKS_AT_ONCE)

    def share_among(self, agents: int) -> None:
        """Let the escalations of so many agents take their share of the store each."""
        self.most_bytes = min(MOST_BYTES, max(_LEAST_BYTES, _MOST_BYTES_OF_ALL // max(agents, 1)))

    def hand_over(self, call: Call, outcome: Outcome, at: float) -> None:
        """Queue the conversation of a call; `at` in Unix seconds. When people are hopelessly behind, only log it."""
        failure = outcome.attempts[-1].message[:_LONGEST_FAILURE] if outcome.attempts else ""
        messages, left_out = excerpt(_conversation(call), MOST_MESSAGE_CHARACTERS)
        event = {
            "call_id": call.id,
            "request_id": call.request_id,
            "agent": call.agent,
            "version": outcome.version,
            "caller": call.caller.name,
            "at": f"{at:.3f}",
            "conversation": conversation_key(call.caller.name, name) if (name := name_of(call)) else "",
            "failure": failure.encode("ascii", "backslashreplace").decode(),  # a provider may say lone surrogates
            "messages": messages,
            "messages_left_out": str(left_out),
        }
        if self._unstored.add(Handover(call.agent, event)):
            self._wake.set()
        else:
            self._log.error("escalation_dropped", id=call.id, agent=call.agent, waiting=len(self._unstored))

    async def deliver_for_ever(self) -> None:
        """Deliver what is queued until cancelled."""
        async with asyncio.TaskGroup() as group:
            for handover in self._unsent:
                group.create_task(self._tell_with_retries(handover))
            while True:
                while stored := await self._store_next():
                    group.create_task(self._tell_with_retries(stored))
                await self._wake.wait()
                self._wake.clear()

    async def finish(self) -> None:
        """The gateway stops: store what is still queued, and tell the webhook once, within seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timings.escalation_finish), asyncio.TaskGroup() as group:
                for handover in self._unsent:
                    group.create_task(self._tell(handover))
                while stored := await self._store_next():
                    group.create_task(self._tell(stored))
        if self._unstored:
            self._log.error("escalations_lost", ids=[handover.call_id for handover in self._unstored])
        if self._unsent:
            self._log.error("escalations_not_sent", ids=[handover.call_id for handover in self._unsent])

    async def _store_next(self) -> Handover | None:
        """Store the next one, and let it wait for the webhook. None when there is no further one to tell of."""
        while handover := self._unstored.first():
            try:
                await self._store.escalate(handover.agent, handover.event, self.most_bytes)
            except StoreAway:
                await asyncio.sleep(self._timings.escalation_store)
                continue
            self._unstored.remove(handover)
            if self._unsent.add(handover):
                return handover
            self._log.error("escalation_not_sent", id=handover.call_id, agent=handover.agent, waiting=len(self._unsent))
        return None

    async def _tell_with_retries(self, handover: Handover) -> None:
        """Tell the webhook until it takes it, ever more seldom, or until it was told often enough."""
        pauses = self._timings.escalation_webhook
        while handover.tries <= len(pauses):
            if await self._tell(handover):
                return
            if handover.tries <= len(pauses):
                await asyncio.sleep(pauses[handover.tries - 1])
        self._unsent.remove(handover)

    async def _tell(self, handover: Handover) -> bool:
        """Tell the webhook once; whether it took it, and waits no more."""
        handover.tries += 1
        try:
            if self.webhook is not None:
                async with self._at_once:
                    await self.webhook.post(_webhook_body(handover.event), handover.call_id)
        except (ProviderError, GatewayError) as error:
            self._log.warning("escalation_webhook", id=handover.call_id, error=error.message)
            return False
        self._unsent.remove(handover)
        self._log.info("escalated", id=handover.call_id, agent=handover.agent)
        return True


def wants_person(error: ProviderError, is_strange: bool) -> bool:
    """Return whether a failure calls for a person: an outage, or a refusal of what the version or the gateway wrote.

    A client's own mistake is not, nor one that may be its own: it would fill the store as fast as it can be made.
    """
    if error.kind != "status":
        return is_outage(error.status)
    return is_outage(error.upstream_status or 0) or (error.blame in ("version", "gateway") and not is_strange)


def completion(call: Call, message: str, at: float) -> Answer:
    """The answer, or its stream, that tells the client that a person takes over."""
    kind = EVENT_STREAM if call.stream else JSON
    return Answer(200, [kind, ESCALATED], statement(call, message, at))


def _webhook_body(event: Mapping[str, str]) -> Mapping[str, object]:
    """Return the webhook's payload: JSON throughout."""
    return {**event, "messages": json.loads(event["messages"]), "messages_left_out": int(event["messages_left_out"])}


def _conversation(call: Call) -> list[Any]:
    """Return the messages for a person, as chat completions write them; the request where that is impossible."""
    try:
        return chat_messages(call)
    except CallerError:
        return as_one_message(call)
