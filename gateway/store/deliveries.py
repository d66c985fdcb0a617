"""Deliveries to the webhook that wait in the store, so that a replica which is killed takes none along.

An agent's outbox is a hash of what is to be told, and one of how long each is held by who delivers it. `escalate.lua`
adds to it in the same stroke as the handover itself, `deliveries.lua` does the rest.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from gateway.store.handover_seam import Delivery, HandoverPlace
from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import DELIVERIES
from gateway.store.sums import digest

OUTBOX: Final = ("outbox", "outbox_claims", "outbox_bytes")
GIVE_UP_SECONDS = 24 * 3600.0
_AGENTS_AT_ONCE = 100
_IDS_AT_ONCE = 1_000


class DeliveryStore:
    """The operations of `RedisStore` on deliveries to the webhook."""

    async def hold_deliveries(self: Reaching, agent: str, call_ids: Sequence[str], seconds: float) -> None:
        async with self._reach():
            for first in range(0, len(call_ids), _IDS_AT_ONCE):
                names = [digest(call_id).hex() for call_id in call_ids[first : first + _IDS_AT_ONCE]]
                await self._run(DELIVERIES, _keys(agent), ("hold", round(seconds * 1000), 0, 0, *names))

    async def settle_delivery(self: Reaching, agent: str, call_id: str) -> None:
        async with self._reach():
            await self._run(DELIVERIES, _keys(agent), ("settle", 0, 0, 0, digest(call_id).hex()))

    async def take_deliveries(self: Reaching, agents: Sequence[str], count: int, seconds: float) -> list[Delivery]:
        found: list[Delivery] = []
        async with self._reach():
            for first in range(0, len(agents), _AGENTS_AT_ONCE):
                portion = agents[first : first + _AGENTS_AT_ONCE]
                pipe = self._pipeline()
                for agent in portion:
                    pipe.hlen(key_of(agent, OUTBOX[1]))
                waiting = zip(portion, await self._execute(pipe), strict=True)
                for agent in [agent for agent, number in waiting if number]:
                    given = ("take", round(seconds * 1000), count, round(GIVE_UP_SECONDS * 1000))
                    texts: Any = await self._run(DELIVERIES, _keys(agent), given)
                    found += sorted((_delivery(agent, text) for text in texts), key=_order)
        return found


def place_of(reply: Sequence[Any]) -> HandoverPlace:
    """Return the place that escalate.lua tells."""
    entry, escalation_id, sequence, before = reply
    return HandoverPlace(str(entry), str(escalation_id), int(sequence), int(before) if int(before) >= 0 else None)


def _keys(agent: str) -> list[str]:
    return [key_of(agent, part) for part in OUTBOX]


def _delivery(agent: str, text: str) -> Delivery:
    kept = orjson.loads(text)
    return Delivery(agent, kept["event"], place_of(kept["place"]))


def _order(delivery: Delivery) -> tuple[str, int]:
    return delivery.place.entry, delivery.place.sequence
