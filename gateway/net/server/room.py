"""Room for connections: up to a cap whoever comes, beyond it a reserve for what is always served.

Connections on which nothing is under way hold no room against a newcomer: the one that has rested longest gives way.
"""

import heapq
from collections.abc import Set as AbstractSet
from typing import Protocol

# Resting connections that one look finds. A look goes through all connections, so it has to be earned: each newcomer
# pays for so many of them, and time for one in so many seconds, a hundred times as long as it takes.
FOUND_AT_ONCE = 64
PAID_BY_A_NEWCOMER = 64
PAUSE_SECONDS = 1e-5
# Requests on the reserve are answered within a turn or two of the loop. In between its connections may all be served at
# once, as when a crowd's requests come in together; so many times the reserve are let in then, and never more.
MOST_RESERVES = 4


class Guest(Protocol):
    """A connection as the room and the draining server see it."""

    @property
    def rests(self) -> bool: ...
    @property
    def is_served(self) -> bool: ...
    @property
    def rests_until(self) -> float: ...
    def give_way(self) -> None: ...
    def turn_away(self) -> None: ...
    def shutdown(self) -> None: ...
    def reset(self) -> None: ...


class Room:
    """`connections` are all that are open, those of the reserve included; this alone adds and removes."""

    def __init__(self, connections: set[Guest], most: int, reserve: int) -> None:
        self._connections = connections
        self._most = self._usual = most
        self._reserve = reserve
        self._reserved: dict[Guest, None] = {}  # in the order of their arrival
        self._resting: list[Guest] = []  # the one that has rested longest is the last
        self._looked_at = float("-inf")
        self._paid = 0

    def take(self, newcomer: Guest, now: float) -> bool:
        """Let the newcomer in, at `now` in the loop's time; False where even the reserve has no room."""
        if len(self._connections) - len(self._reserved) >= self._most and not self._make_room(now):
            if not self._make_reserve():
                return False
            self._reserved[newcomer] = None
        self._connections.add(newcomer)
        return True

    def is_reserved(self, connection: Guest) -> bool:
        """Return whether the connection is in the reserve; it leaves the reserve as soon as there is room."""
        if connection not in self._reserved:
            return False
        if len(self._connections) - len(self._reserved) < self._most:
            del self._reserved[connection]
            return False
        return True

    def shrink(self) -> None:
        """Take no more connections than there are: no file descriptor is left. Whoever comes goes by the same rules as
        at the cap."""
        self._most = min(self._most, max(1, len(self._connections) - len(self._reserved)))

    def restore(self) -> None:
        """Take as many connections as before it shrank."""
        self._most = self._usual

    def leave(self, connection: Guest) -> None:
        """Forget a connection that is closed or about to close."""
        self._connections.discard(connection)
        self._reserved.pop(connection, None)

    def change(self, connection: Guest, heir: Guest) -> None:
        """Give the room of a connection to what goes on with it."""
        self.leave(connection)
        self._connections.add(heir)

    def _make_room(self, now: float) -> bool:
        """Close a resting connection; return whether there was one."""
        self._paid += PAID_BY_A_NEWCOMER
        is_paid = self._paid >= self._most or now - self._looked_at >= PAUSE_SECONDS * self._most
        if not self._resting and is_paid:
            self._looked_at, self._paid = now, 0
            self._resting = _rested_longest(self._connections - self._reserved.keys())
        while self._resting:
            connection = self._resting.pop()
            if connection.rests and connection in self._connections:
                self.leave(connection)
                connection.give_way()
                return True
        return False

    def _make_reserve(self) -> bool:
        """Return whether the reserve has room, turning away a connection that is not being served if necessary."""
        if len(self._reserved) < self._reserve:
            return True
        silent = next((each for each in self._reserved if not each.is_served), None)
        if silent is None:
            return len(self._reserved) < MOST_RESERVES * self._reserve
        self.leave(silent)
        silent.turn_away()
        return True


def _rested_longest(connections: AbstractSet[Guest]) -> list[Guest]:
    resting = (each for each in connections if each.rests)
    return heapq.nsmallest(FOUND_AT_ONCE, resting, key=lambda each: each.rests_until)[::-1]
