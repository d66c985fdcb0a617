"""The last link, `human`: hands a conversation over to people and answers the client at once.

The client gets a well-formed completion that says so. The handover itself goes into the store's stream and to the
webhook from a queue, so that no call waits for either; what cannot be delivered yet is kept and tried again.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from gateway.calls import Answer, Call, Outcome
from gateway.errors import CallerError, GatewayError, ProviderError, StoreAway
from gateway.headers import JSON
from gateway.logs import Log
from gateway.notify import Webhook
from gateway.providers.clients import chat_messages, statement
from gateway.store.seam import Store
from gateway.streaming import EVENT_STREAM
from gateway.units import conversation_key, name_of

ESCALATED = (b"x-serinus-escalated", b"human")
_MOST_WAITING = 10_000
_MOST_WAITING_BYTES = 256 << 20
_STORE_RETRY_SECONDS = 1.0
_WEBHOOK_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # then the store alone has the conversation
_WEBHOOKS_AT_ONCE = 8  # so that one slow receiver of many does not hold up the other notices
_FINISH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Handover:
    """One conversation on its way to people."""

    agent: str
    event: Mapping[str, str]

    @property
    def call_id(self) -> str:
        return self.event["call_id"]

    @property
    def size(self) -> int:
        return sum(map(len, self.event.values()))


class Escalations:
    """The queues of handovers of one replica: first all go into the store, in order, then the webhook is told.

    `webhook` follows the configuration; None while there is none.
    """

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log
        self.webhook: Webhook | None = None
        self._unstored: deque[Handover] = deque()
        self._untold: deque[Handover] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._at_once = asyncio.Semaphore(_WEBHOOKS_AT_ONCE)

    def hand_over(self, call: Call, outcome: Outcome, at: float) -> None:
        """Queue the conversation of a call; `at` in Unix seconds. When people are hopelessly behind, only log it."""
        failure = outcome.attempts[-1].message if outcome.attempts else ""
        event = {
            "call_id": call.id,
            "request_id": call.request_id,
            "agent": call.agent,
            "version": outcome.version,
            "caller": call.caller.name,
            "at": f"{at:.3f}",
            "conversation": conversation_key(call.caller.name, name) if (name := name_of(call)) else "",
            "failure": failure.encode("ascii", "backslashreplace").decode(),  # a provider may say lone surrogates
            "messages": _conversation(call),
        }
        handover = Handover(call.agent, event)
        waiting = len(self._unstored) + len(self._untold)
        if waiting >= _MOST_WAITING or self._bytes + handover.size > _MOST_WAITING_BYTES:
            self._log.error("escalation_dropped", id=call.id, agent=call.agent, waiting=waiting)
            return
        self._bytes += handover.size
        self._unstored.append(handover)
        self._wake.set()

    async def deliver_for_ever(self) -> None:
        """Deliver what is queued until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                while handover := await self._next():
                    group.create_task(self._tell_until_taken(handover))
                await self._wake.wait()
                self._wake.clear()

    async def finish(self) -> None:
        """The gateway stops: store what is still queued, and tell the webhook once, within seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_SECONDS), asyncio.TaskGroup() as group:
                while handover := await self._next():
                    group.create_task(self._tell(handover))
        if self._unstored:
            self._log.error("escalations_lost", ids=[handover.call_id for handover in self._unstored])

    async def _next(self) -> Handover | None:
        """The next one to tell people of: in the store by now. None when all are under way."""
        if self._untold:
            return self._untold.popleft()
        while self._unstored:
            handover = self._unstored[0]
            try:
                await self._store.escalate(handover.agent, handover.event)
            except StoreAway:
                await asyncio.sleep(_STORE_RETRY_SECONDS)
            else:
                return self._unstored.popleft()
        return None

    async def _tell_until_taken(self, handover: Handover) -> None:
        """Tell the webhook until it takes it, ever more seldom, or until it was told often enough."""
        try:
            for seconds in _WEBHOOK_RETRY_SECONDS:
                if await self._tell(handover):
                    break
                await asyncio.sleep(seconds)
            else:
                await self._tell(handover)
        except asyncio.CancelledError:
            self._untold.append(handover)
            raise
        self._bytes -= handover.size

    async def _tell(self, handover: Handover) -> bool:
        """Tell the webhook once; whether it took it."""
        try:
            if self.webhook is not None:
                async with self._at_once:
                    await self.webhook.post(handover.event, handover.call_id)
        except (ProviderError, GatewayError) as error:
            self._log.warning("escalation_webhook", id=handover.call_id, error=error.message)
            return False
        self._log.info("escalated", id=handover.call_id, agent=handover.agent)
        return True


def completion(call: Call, message: str, at: float) -> Answer:
    """The answer, or its stream, that tells the client that a person takes over."""
    kind = EVENT_STREAM if call.stream else JSON
    return Answer(200, [kind, ESCALATED], statement(call, message, at))


def _conversation(call: Call) -> str:
    """What the person is to read: the messages as chat completions write them, or the request where that cannot be."""
    try:
        return chat_messages(call)
    except CallerError:
        return call.document.render({}).decode()
