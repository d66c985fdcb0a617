"""Handovers that wait in a replica: for the store first, then for the webhook."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.store.handover_seam import HandoverPlace


@dataclass(slots=True, eq=False)
class Handover:
    """A call's conversation on its way to people. `place` is known once it is stored.

    `tries` counts the webhook's attempts, `after` is the delivery of the same conversation that goes before this one.
    """

    agent: str
    event: Mapping[str, str]
    place: HandoverPlace | None = None
    tries: int = 0
    after: "Handover | None" = None
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def call_id(self) -> str:
        return self.event["call_id"]

    @property
    def size(self) -> int:
        return sum(map(len, self.event.values()))


@dataclass(frozen=True, slots=True)
class QueueRoom:
    """Limits of the two queues, store and webhook: handovers and bytes in each."""

    handovers: int = 10_000
    bytes: int = 64 << 20


class Waiting:
    """Handovers that wait for one thing, bounded in number and bytes, in the order in which they came."""

    def __init__(self, room: QueueRoom) -> None:
        self._room = room
        self._handovers: dict[int, Handover] = {}
        self._latest: dict[str, Handover] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._handovers)

    def __iter__(self) -> Iterator[Handover]:
        return iter(list(self._handovers.values()))

    def __contains__(self, handover: Handover) -> bool:
        return id(handover) in self._handovers

    def first(self) -> Handover | None:
        return next(iter(self._handovers.values()), None)

    def add(self, handover: Handover) -> bool:
        """Add an entry if there is room, behind those of its conversation; return whether there was room."""
        if len(self) >= self._room.handovers or self._bytes + handover.size > self._room.bytes:
            return False
        self._handovers[id(handover)] = handover
        self._bytes += handover.size
        if handover.place is not None:
            handover.after = self._latest.get(handover.place.escalation_id)
            self._latest[handover.place.escalation_id] = handover
        return True

    def remove(self, handover: Handover) -> None:
        """Remove an entry; the next of its conversation may go."""
        self._bytes -= self._handovers.pop(id(handover)).size
        handover.after = None
        handover.left.set()
        if handover.place is not None and self._latest.get(handover.place.escalation_id) is handover:
            del self._latest[handover.place.escalation_id]
