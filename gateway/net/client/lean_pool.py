"""The connections to one origin: the last used is taken first, and no more are open than allowed.

The stack of idle connections keeps the price of a call the same after a burst as before it: the surplus closes on its
way back, and the rest sinks to the bottom, where the sweep finds it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from ssl import SSLContext

from gateway.errors import ProviderError
from gateway.net.client import Origin
from gateway.net.client.exhaustion import not_connected
from gateway.net.client.lean_connection import LeanConnection
from gateway.net.client.options import TransportOptions
from gateway.net.write_batching import Cork


class Pool:
    """Hands out connections to `origin`; waiters queue first come, first served, and may be cancelled."""

    def __init__(self, origin: Origin, options: TransportOptions, tls: SSLContext | None) -> None:
        self._origin = origin
        self._options = options
        self._tls = tls
        self._idle_seconds = options.idle_seconds
        self._loop = asyncio.get_running_loop()
        self._cork = Cork()
        self._time = self._loop.time
        self._idle: list[LeanConnection] = []
        self._made: set[LeanConnection] = set()
        self._slots = options.max_connections
        self._waiters: deque[asyncio.Future[LeanConnection | None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed: asyncio.Event | None = None

    def take(self) -> LeanConnection | None:
        """An idle connection that is fit for a request now, or None. Those found dead or too old are closed."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if self._is_fit(connection):
                return connection
            connection.abort()
        return None

    async def wait(self, seconds: float | None = None, addresses: Sequence[str] = ()) -> LeanConnection:
        """Return a connection fit for a request: made now, or the next that comes free.

        `seconds` bounds the making, None for the pool's own limit; a new one goes to one of the `addresses`, if any.
        Raises ProviderError("connect").
        """
        while self._closed is None:
            if self._slots > 0:
                self._slots -= 1
                return await self._connect(seconds, addresses)
            connection = await self._turn()
            if connection is None:
                return await self._connect(seconds, addresses)
            if self._is_fit(connection):
                return connection
            connection.abort()
        raise self._refused("the transport is closed")

    def keep(self, connection: LeanConnection) -> None:
        """Take a connection back after a whole answer: to who waits, else on the stack, else closed."""
        if self._closed is not None:
            connection.abort()
            return
        connection.idle_since = self._time()
        if self._waiters and self._grant(connection):
            return
        if len(self._idle) >= self._options.max_idle:
            connection.abort()
            return
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._idle_seconds, self._close_expired)

    def forget(self, connection: LeanConnection) -> None:
        """The socket is closed: its place is free."""
        if connection not in self._made:
            return
        self._made.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free()

    async def aclose(self) -> None:
        """Close every connection, busy ones too, and turn away who waits. Returns when the sockets are closed."""
        closed = self._closed = self._closed or asyncio.Event()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self._refused("the transport is closed"))
        for connection in list(self._made):
            connection.abort()
        if self._made:
            await closed.wait()

    def _is_fit(self, connection: LeanConnection) -> bool:
        return self._time() - connection.idle_since < self._idle_seconds and connection.is_silent()

    async def _turn(self) -> LeanConnection | None:
        """Wait in the queue for a connection, or for the right to make one (None)."""
        waiter: asyncio.Future[LeanConnection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # Cancelled in the moment it was served: what it got goes to the next.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._hand_back(waiter.result())
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def _hand_back(self, granted: LeanConnection | None) -> None:
        if granted is None:
            self._free()
        else:
            self.keep(granted)

    def _grant(self, granted: LeanConnection | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(granted)
                return True
        return False

    def _free(self) -> None:
        if not self._grant(None):
            self._slots += 1
        if self._closed is not None and not self._made:
            self._closed.set()

    async def _connect(self, seconds: float | None, addresses: Sequence[str]) -> LeanConnection:
        """Make a connection in a place that is ours already; give the place back when it fails."""
        try:
            connection = await self._open(
                self._options.connect_timeout_seconds if seconds is None else seconds, addresses or (self._origin.host,)
            )
        except BaseException:
            self._free()
            raise
        self._made.add(connection)
        return connection

    async def _open(self, seconds: float, hosts: Sequence[str]) -> LeanConnection:
        try:
            async with asyncio.timeout(seconds):
                connection = await self._dial_any(hosts)
        except TimeoutError as error:
            raise self._refused(f"no connection within {seconds:g} s") from error
        except (OSError, UnicodeError) as error:  # ssl.SSLError is an OSError; UnicodeError: a host that is no name
            raise not_connected(self._origin, error) from error
        if self._closed is not None or not connection.is_open():
            connection.abort()
            raise self._refused("the connection was closed as soon as it was made")
        return connection

    async def _dial_any(self, hosts: Sequence[str]) -> LeanConnection:
        *first, last = hosts
        for host in first:
            with suppress(OSError):
                return await self._dial(host)
        return await self._dial(last)

    async def _dial(self, host: str) -> LeanConnection:
        """Addresses are tried one by one, in the resolver's order. No happy_eyeballs_delay: uvloop has none, and
        asyncio's race (CPython 3.11, staggered.py) leaks the socket it has won when the call is cancelled just then."""
        origin, loop, cork = self._origin, self._loop, self._cork
        name = origin.host if self._tls is not None else None
        _, connection = await loop.create_connection(
            lambda: LeanConnection(self, origin, loop, cork),
            host,
            origin.port,
            ssl=self._tls,
            server_hostname=name,
        )
        return connection

    def _close_expired(self) -> None:
        """Close what has been idle too long; the oldest lie at the bottom."""
        self._sweep = None
        horizon = self._time() - self._idle_seconds
        expired = 0
        while expired < len(self._idle) and self._idle[expired].idle_since <= horizon:
            expired += 1
        old, self._idle = self._idle[:expired], self._idle[expired:]
        for connection in old:
            connection.abort()
        if self._idle:
            due = self._idle[0].idle_since + self._idle_seconds
            self._sweep = self._loop.call_at(due, self._close_expired)

    def _refused(self, why: str) -> ProviderError:
        origin = self._origin
        return ProviderError("connect", f"{origin.scheme}://{origin.host}:{origin.port}: {why}")
