"""The last link, `human`: hands a conversation over to people and answers the client at once.

The client gets a well-formed completion that says so. The handover itself goes into the store's stream and to the
webhook from a queue, so that no call waits for either; what cannot be delivered yet is kept and tried again.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.calls import Answer, Call, Outcome
from gateway.document import encode
from gateway.errors import GatewayError, ProviderError, StoreAway
from gateway.logs import Log
from gateway.notify import Webhook
from gateway.store.seam import Store
from gateway.streaming import EVENT_STREAM

ESCALATED = (b"x-serinus-escalated", b"human")
_JSON = (b"content-type", b"application/json")
_MOST_WAITING = 10_000
_RETRY_SECONDS = 1.0
_WEBHOOK_TRIES = 8


@dataclass(slots=True)
class Handover:
    """One conversation on its way to people. `stored` turns true once the store has it."""

    agent: str
    event: Mapping[str, str]
    stored: bool = False
    tries: int = 0


class Escalations:
    """The queue of handovers of one replica, and the one task that delivers them.

    `webhook` follows the configuration; None while there is none.
    """

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log
        self.webhook: Webhook | None = None
        self._waiting: deque[Handover] = deque()
        self._wake = asyncio.Event()

    def hand_over(self, call: Call, outcome: Outcome, at: float) -> None:
        """Queue the conversation of a call; `at` in Unix seconds. When people are hopelessly behind, only log it."""
        event = {
            "call_id": call.id,
            "agent": call.agent,
            "version": outcome.version,
            "caller": call.caller.name,
            "at": f"{at:.3f}",
            "failure": outcome.attempts[-1].message if outcome.attempts else "",
            "messages": call.document.texts["messages"],
        }
        if len(self._waiting) >= _MOST_WAITING:
            self._log.error("escalation_dropped", id=call.id, agent=call.agent, waiting=len(self._waiting))
            return
        self._waiting.append(Handover(call.agent, event))
        self._wake.set()

    async def deliver_for_ever(self) -> None:
        """Deliver what is queued, one after another, until cancelled."""
        while True:
            await self._wake.wait()
            while self._waiting:
                if not await self._deliver(self._waiting[0]):
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                self._waiting.popleft()
            self._wake.clear()

    async def _deliver(self, handover: Handover) -> bool:
        """Whether this handover needs no further try."""
        try:
            if not handover.stored:
                await self._store.escalate(handover.agent, handover.event)
                handover.stored = True
            if self.webhook is not None:
                await self.webhook.post(handover.event, handover.event["call_id"])
        except StoreAway:
            return False
        except (ProviderError, GatewayError) as error:
            handover.tries += 1
            self._log.warning("escalation_webhook", id=handover.event["call_id"], error=error.message)
            return handover.tries >= _WEBHOOK_TRIES
        self._log.info("escalated", id=handover.event["call_id"], agent=handover.agent)
        return True


def completion(call: Call, message: str, at: float) -> Answer:
    """The chat completion, or its stream, that tells the client that a person takes over."""
    base = {"id": f"chatcmpl-{call.id}", "created": int(at), "model": call.agent}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    if not call.stream:
        choice = {"index": 0, "message": {"role": "assistant", "content": message}, "finish_reason": "stop"}
        body = {**base, "object": "chat.completion", "choices": [choice], "usage": usage}
        return Answer(200, [_JSON, ESCALATED], encode(body).encode())
    deltas = [({"role": "assistant", "content": message}, None), ({}, "stop")]
    events: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
    ]
    if call.wants_usage:
        events.append({"choices": [], "usage": usage})
    lines = [f"data: {encode({**base, 'object': 'chat.completion.chunk', **event})}\n\n" for event in events]
    return Answer(200, [EVENT_STREAM, ESCALATED], "".join([*lines, "data: [DONE]\n\n"]).encode())
