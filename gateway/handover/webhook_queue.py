"""The webhook's queue: one delivery for each handed-over conversation, then a bounded number of its further turns.

A delivery that is under way is never left: whoever comes after it, the stop or work that begins again, waits for its
end and does not send it a second time. The store has each delivery until the webhook took it, or was told often
enough: when a replica dies, another one, or the same one begun again, makes those that it held.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import time
from typing import Literal

from gateway.errors import GatewayError, ProviderError, StoreAway
from gateway.handover.waiting import Handover, QueueRoom, Waiting
from gateway.logs import Log
from gateway.store.handover_seam import HandoverPlace
from gateway.store.seam import Store
from gateway.timings import Timings
from gateway.views import timestamp
from gateway.webhook.webhook import Webhook

BODY_VERSION = 2
DeliveryType = Literal["escalation.opened", "escalation.message"]
_WEBHOOKS_AT_ONCE = 8  # so that one slow receiver of many does not hold up the other deliveries
_TAKEN_AT_ONCE = 100  # deliveries of one agent that nobody holds
_SHARE_OF_STOP = 0.5  # of the time that the stop has, for a delivery that is under way


class WebhookQueue:
    """Handovers of one replica that the store has and the webhook has not. `webhook` follows the configuration.

    What waits is held here, never by a task alone: one that is cancelled before it begins takes nothing with it.
    """

    def __init__(
        self, store: Store, log: Log, timings: Timings, room: QueueRoom, unix: Callable[[], float] = time
    ) -> None:
        self.webhook: Webhook | None = None
        self.waiting = Waiting(room)
        self._store = store
        self._log = log
        self._timings = timings
        self._unix = unix
        self._posts: dict[Handover, asyncio.Task[None]] = {}
        self._unsettled: dict[tuple[str, str], None] = {}  # agents and call ids that need no delivery any more
        self._at_once = asyncio.Semaphore(_WEBHOOKS_AT_ONCE)

    async def tell_with_retries(self, handover: Handover) -> None:
        """Tell the webhook until it takes it, ever more seldom, or until it was told often enough."""
        if handover.after is not None:
            await handover.after.left.wait()
        pauses = self._timings.escalation_webhook
        while handover.tries <= len(pauses) or handover in self._posts:
            if await self._tell(handover):
                return
            if handover.tries <= len(pauses):
                await asyncio.sleep(pauses[handover.tries - 1])
        self.waiting.remove(handover)
        await self._settle(handover)

    @property
    def held_seconds(self) -> float:
        """Return for how long the store keeps others from what waits here; 0 where there is nobody to tell."""
        return 0.0 if self.webhook is None else self._timings.escalation_held

    async def take_over(self, agents: Sequence[str]) -> list[Handover]:
        """Keep others from what waits here, and return what nobody delivers; it waits here now. Raises StoreAway."""
        await self._settle_all()
        await self._hold(self._timings.escalation_held)
        if self.webhook is None:
            return []
        found = await self._store.take_deliveries(agents, _TAKEN_AT_ONCE, self._timings.escalation_held)
        known = {(handover.agent, handover.call_id) for handover in self.waiting}
        new = [Handover(each.agent, each.event, each.place) for each in found]
        taken = [each for each in new if (each.agent, each.call_id) not in known and self.waiting.add(each)]
        for each in taken:
            self._log.warning("escalation_taken_over", id=each.call_id, agent=each.agent, **_named(each.place))
        return taken

    async def leave_to_others(self) -> None:
        """Let others deliver what still waits here. Raises StoreAway; then they may when it is no longer held."""
        await self._settle_all()
        await self._hold(0.0)

    async def _hold(self, seconds: float) -> None:
        by_agent: dict[str, list[str]] = {}
        for handover in self.waiting:
            by_agent.setdefault(handover.agent, []).append(handover.call_id)
        for agent, call_ids in by_agent.items():
            await self._store.hold_deliveries(agent, call_ids, seconds)

    async def _settle(self, handover: Handover) -> None:
        """Tell the store that nobody is to deliver it any more, now or when the store is back."""
        if self.webhook is not None:
            self._unsettled[handover.agent, handover.call_id] = None
            with suppress(StoreAway):
                await self._settle_all()

    async def _settle_all(self) -> None:
        for agent, call_id in list(self._unsettled):
            await self._store.settle_delivery(agent, call_id)
            self._unsettled.pop((agent, call_id), None)

    async def tell_last(self, handover: Handover) -> None:
        """Tell the webhook before the gateway stops: wait for what is under way, and send it again if that fails."""
        if handover.after is not None:
            await handover.after.left.wait()
        if not await self._end_under_way(handover):
            await self._tell(handover)
        handover.left.set()

    async def leave_all(self) -> None:
        """Leave the deliveries that are still under way; the time of the stop is over."""
        for handover in list(self._posts):
            await self._leave(handover)

    async def _end_under_way(self, handover: Handover) -> bool:
        """Wait for the delivery that is under way, not for too long; return whether the webhook took it."""
        if (post := self._posts.get(handover)) is None:
            return False
        await asyncio.wait([post], timeout=self._timings.escalation_finish * _SHARE_OF_STOP)
        if post.done():
            return await self._tell(handover)
        await self._leave(handover)
        return False

    async def _tell(self, handover: Handover) -> bool:
        """Tell the webhook once, or wait for the delivery under way; return whether it took it.

        Whoever is cancelled here leaves the delivery, which may just have ended, for the next to find.
        """
        post = self._posts.get(handover)
        if post is None:
            handover.tries += 1
            post = self._posts[handover] = asyncio.create_task(self._post(handover))
        try:
            await asyncio.shield(post)
        except (ProviderError, GatewayError) as error:
            del self._posts[handover]
            self._log.warning("escalation_webhook", id=handover.call_id, error=error.message)
            return False
        except Exception:
            del self._posts[handover]
            raise
        del self._posts[handover]
        if handover in self.waiting:
            self.waiting.remove(handover)
            self._log.info("escalated", id=handover.call_id, agent=handover.agent, **_named(handover.place))
            await self._note_acceptance(handover)
            await self._settle(handover)
        return True

    async def _post(self, handover: Handover) -> None:
        """Deliver once. Raises ProviderError, GatewayError."""
        if self.webhook is not None:
            async with self._at_once:
                await self.webhook.post(webhook_body(handover), handover.call_id)

    async def _note_acceptance(self, handover: Handover) -> None:
        """Note in the store that the webhook took a handover."""
        if self.webhook is not None and handover.place is not None and handover.place.sequence == 1:
            with suppress(StoreAway):
                await self._store.mark_escalation_accepted(handover.agent, handover.call_id, self._unix())

    async def _leave(self, handover: Handover) -> None:
        post = self._posts.pop(handover)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)


def webhook_body(handover: Handover) -> Mapping[str, object]:
    """Return the webhook's payload, JSON throughout: a conversation that goes to people, or a further turn of it."""
    event, place = handover.event, handover.place or HandoverPlace("", handover.call_id, 1, None)
    messages, left_out = json.loads(event["messages"]), int(event["messages_left_out"])
    kind: DeliveryType = "escalation.opened" if place.sequence == 1 else "escalation.message"
    return {
        "type": kind,
        "body_version": BODY_VERSION,
        "escalation_id": place.escalation_id,
        "sequence": place.sequence,
        **{name: event[name] for name in ("call_id", "agent", "version", "caller")},
        "request_id": event["request_id"] or None,
        "conversation": event["conversation"] or None,
        "at": timestamp(float(event["at"])),
        "failure": event["failure"],
        "messages": messages,
        "messages_left_out": left_out,
        "messages_new": _new(place, len(messages), left_out),
    }


def _new(place: HandoverPlace, shown: int, left_out: int) -> int | None:
    """Return how many of the last messages are new since the delivery before; None where that is not known."""
    if place.sequence == 1:
        return shown
    before = place.messages_before
    return None if before is None or shown + left_out <= before else min(shown, shown + left_out - before)


def _named(place: HandoverPlace | None) -> Mapping[str, object]:
    return {} if place is None else {"escalation": place.escalation_id, "sequence": place.sequence}
