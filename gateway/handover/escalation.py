"""The last target, `human`: hands a conversation over to people and answers the client at once.

The client gets a well-formed completion that says so. The handover itself goes into the store's stream and to the
webhook from a queue, so that no call waits for either; what cannot be delivered yet is kept and tried again. What the
store has is delivered whoever dies: it keeps each delivery until it is made.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from gateway.calls import Answer, Call, Outcome
from gateway.conversation import conversation_key, name_of
from gateway.errors import CallerError, ProviderError, StoreAway
from gateway.formats.clients import as_one_message, chat_messages, statement
from gateway.handover.excerpt import excerpt
from gateway.handover.waiting import Handover, QueueRoom, Waiting
from gateway.handover.webhook_queue import WebhookQueue
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
_MOST_BYTES_OF_ALL = 256 << 20  # in the store, of all agents together
_LEAST_BYTES = 1 << 20  # of one agent, however many there are
_LEAVING_SECONDS = 1.0  # of the stop, to tell the store what others may deliver
_ROOM = QueueRoom()


class Escalations:
    """The queues of handovers of one replica: first all go into the store, in order, then the webhook is told.

    `most_bytes`, what one agent's may take in the store, follows the configuration, as `agents` and the webhook do.
    """

    def __init__(self, store: Store, log: Log, timings: Timings = USUAL, room: QueueRoom = _ROOM) -> None:
        self._store = store
        self._log = log
        self._timings = timings
        self.most_bytes = MOST_BYTES
        self.agents: Sequence[str] = ()
        self._unstored = Waiting(room)
        self._unsent = WebhookQueue(store, log, timings, room)
        self._wake = asyncio.Event()

    @property
    def webhook(self) -> Webhook | None:
        """Return the receiver, None where people look at the list themselves."""
        return self._unsent.webhook

    @webhook.setter
    def webhook(self, webhook: Webhook | None) -> None:
        self._unsent.webhook = webhook

    def share_among(self, agents: Iterable[str]) -> None:
        """Let the escalations of these agents take their share of the store each."""
        self.agents = tuple(agents)
        self.most_bytes = min(MOST_BYTES, max(_LEAST_BYTES, _MOST_BYTES_OF_ALL // max(len(self.agents), 1)))

    def hand_over(self, call: Call, outcome: Outcome, at: float) -> None:
        """Queue the conversation of a call; `at` in Unix seconds. When people are hopelessly behind, only log it."""
        failure = outcome.attempts[-1].message[:_LONGEST_FAILURE] if outcome.attempts else ""
        conversation = _conversation(call)
        messages, left_out = excerpt(conversation, MOST_MESSAGE_CHARACTERS)
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
            "message_count": str(len(conversation)),
        }
        if self._unstored.add(Handover(call.agent, event)):
            self._wake.set()
        else:
            self._log.error("escalation_dropped", id=call.id, agent=call.agent, waiting=len(self._unstored))

    async def deliver_for_ever(self) -> None:
        """Deliver what is queued until cancelled."""
        async with asyncio.TaskGroup() as group:
            for handover in self._unsent.waiting:
                group.create_task(self._unsent.tell_with_retries(handover))
            group.create_task(self._take_over_for_ever(group))
            while True:
                while stored := await self._store_next():
                    group.create_task(self._unsent.tell_with_retries(stored))
                await self._wake.wait()
                self._wake.clear()

    async def finish(self) -> None:
        """The gateway stops: store what is still queued, and tell the webhook once, within seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timings.escalation_finish), asyncio.TaskGroup() as group:
                for handover in self._unsent.waiting:
                    group.create_task(self._unsent.tell_last(handover))
                while stored := await self._store_next():
                    group.create_task(self._unsent.tell_last(stored))
        await self._unsent.leave_all()
        with suppress(StoreAway, TimeoutError):
            async with asyncio.timeout(_LEAVING_SECONDS):
                await self._unsent.leave_to_others()
        if self._unstored:
            self._log.error("escalations_lost", ids=[handover.call_id for handover in self._unstored])
        if self._unsent.waiting:
            self._log.error("escalations_not_sent", ids=[handover.call_id for handover in self._unsent.waiting])

    async def _take_over_for_ever(self, group: asyncio.TaskGroup) -> None:
        """Deliver also what a replica held that is dead, until cancelled."""
        while True:
            await asyncio.sleep(self._timings.escalation_look)
            with suppress(StoreAway):
                for handover in await self._unsent.take_over(self.agents):
                    group.create_task(self._unsent.tell_with_retries(handover))

    async def _store_next(self) -> Handover | None:
        """Store the next one, and let it wait for the webhook. None when there is no further one to tell of."""
        while handover := self._unstored.first():
            try:
                held = self._unsent.held_seconds
                handover.place = await self._store.escalate(handover.agent, handover.event, self.most_bytes, held)
            except StoreAway:
                await asyncio.sleep(self._timings.escalation_store)
                continue
            self._unstored.remove(handover)
            handover.left.clear()
            waiting = self._unsent.waiting
            if not handover.place.sequence:  # one of too many turns: the store has its messages
                continue
            if waiting.add(handover):
                return handover
            self._log.error("escalation_not_sent", id=handover.call_id, agent=handover.agent, waiting=len(waiting))
        return None


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


def _conversation(call: Call) -> list[Any]:
    """Return the messages for a person, as chat completions write them; the request where that is impossible."""
    try:
        return chat_messages(call)
    except CallerError:
        return as_one_message(call)
