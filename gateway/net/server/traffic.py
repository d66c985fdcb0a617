"""State that all connections of one server share: limits, clients, answers under way, draining."""

import asyncio
from collections.abc import Callable

from gateway.net.server.limits import ServerLimits
from gateway.net.server.room import Guest, Room
from gateway.net.write_batching import Cork


def _nothing() -> None:
    """Do nothing: no callback for the number of connections was given."""


class Traffic:
    """`connections` are open, `tasks` answer requests, `turned_away` are connections above the cap, about to be closed.

    `idle_seconds` is how long a connection that rests may stay once the server drains. `lost` is called whenever a
    connection is gone.
    """

    def __init__(self, limits: ServerLimits, idle_seconds: float = 0.0) -> None:
        self.limits = limits
        self.connections: set[Guest] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.room = Room(self.connections, limits.max_connections, limits.reserve)
        self.cork = Cork()
        self.idle_seconds = idle_seconds
        self.lost: Callable[[], object] = _nothing
        self.turned_away: set[Guest] = set()
        self.draining = False
        self.empty = asyncio.Event()

    def look(self) -> None:
        """Set `empty` once a draining server has neither a connection nor a running exchange."""
        if self.draining and not self.connections and not self.tasks:
            self.empty.set()
