"""The server's life: start, serve until told to stop, drain without breaking a stream, end.

uvicorn gives the configuration and the lifespan. Its own server is not used: it exits the process
when it cannot start, polls ten times a second, and cuts open streams when its grace is short.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvloop
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn

from gateway.errors import GatewayError
from gateway.net.asgi import ASGIApp
from gateway.net.server.limits import ServerLimits
from gateway.net.server.protocol import BoundedProtocol
from gateway.net.server.sharing import ConnectionCounts, SharedListener
from gateway.net.server.sockets import accepted, allow_files, begin, bind
from gateway.net.server.traffic import Traffic

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# What the kernel has already received when the drain begins is taken in during so many rounds of the loop.
LAST_ROUNDS = 3
# Exchanges that were cut get this long to put their books in order, in seconds; then they are cancelled.
AFTER_CUT_SECONDS = 1.0


def _nothing() -> None:
    """Do nothing: no callback for the drain was given."""


class Server:
    """Server of one application on one socket. For one use: start it once.

    `sock`, a bound socket, takes the place of host and port; see `bind`. `share`, connection counts and a cell of them,
    says that other processes accept on that socket too. `drain_seconds` is how long open exchanges may take once the
    server was told to stop; `on_draining` is called before anything else then. Kept connections stay for `idle_seconds`
    of the drain, for the request that may be under way on them. `port` is known once `started` is set.
    """

    def __init__(
        self,
        app: ASGIApp,
        listen_host: str = "127.0.0.1",
        listen_port: int = 0,
        limits: ServerLimits | None = None,
        *,
        drain_seconds: float = 30.0,
        idle_seconds: float = 0.0,
        on_draining: Callable[[], object] = _nothing,
        sock: socket.socket | None = None,
        share: tuple[ConnectionCounts, int] | None = None,
    ) -> None:
        self._app = app
        self._address = (listen_host, listen_port)
        self._sock = sock
        self._share = share
        self._drain_seconds = drain_seconds
        self._on_draining = on_draining
        self._traffic = Traffic(limits or ServerLimits(), idle_seconds)
        self._stopping = asyncio.Event()
        self._forced = asyncio.Event()
        self.started = asyncio.Event()
        self.port = listen_port

    @property
    def protocol(self) -> type[BoundedProtocol]:
        """Return the class that speaks on each connection."""
        return BoundedProtocol

    @property
    def connections(self) -> int:
        """Open connections, without those that are being turned away."""
        return len(self._traffic.connections)

    @property
    def in_flight(self) -> int:
        """Requests that the application is working on."""
        return len(self._traffic.tasks)

    def run(self) -> None:
        """Serve in a new uvloop loop until a signal. Raises what `serve` raises."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.serve())

    async def serve(self, *, handle_signals: bool = True) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; a second one cuts what is still open.

        Raises OSError when the address cannot be had, GatewayError when the application does not start.
        """
        lifespan = await self._start_application()
        try:
            listener = self._listen(lifespan)
            with self._signals(handle_signals):
                self.started.set()
                await self._stopping.wait()
                await self._drain(listener)
        finally:
            await lifespan.shutdown()

    def stop(self) -> None:
        """Begin to drain; called again, cut what is still open. From another thread: `loop.call_soon_threadsafe`."""
        if self._stopping.is_set():
            self._forced.set()
        self._stopping.set()

    async def _start_application(self) -> LifespanOn:
        self._config = Config(
            self._app,
            http=BoundedProtocol,
            loop="uvloop",
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            # Nothing in a request changes who it came from, or names what serves it.
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        self._config.load()
        lifespan = LifespanOn(self._config)
        await lifespan.startup()
        if lifespan.should_exit:
            raise GatewayError("the application did not start; the log above says why")
        return lifespan

    def _listen(self, lifespan: LifespanOn) -> SharedListener:
        allow_files(self._traffic.limits.max_connections)
        loop = asyncio.get_running_loop()
        self._sock = sock = self._sock or bind(*self._address)
        self.port = sock.getsockname()[1]

        app = self._config.loaded_app

        def connect() -> BoundedProtocol:
            return self.protocol(app, self._traffic, lifespan.state, loop)

        self._connect = connect
        counts, cell = self._share or (ConnectionCounts(), 0)
        listener = SharedListener(sock, counts, cell, connect, lambda: self.connections, self._traffic.room)
        self._traffic.lost = listener.post
        return listener

    async def _drain(self, listener: SharedListener) -> None:
        traffic = self._traffic
        self._on_draining()
        for _ in range(LAST_ROUNDS):
            await asyncio.sleep(0)
        await self._close(listener)
        # Only now is anybody told that a connection was its last: it would come back at once, to a port that closes.
        traffic.draining = True
        for connection in list(traffic.connections):
            connection.shutdown()
        traffic.look()
        await self._wait_until_empty(self._drain_seconds)
        await self._cut_off()

    async def _close(self, listener: SharedListener) -> None:
        """Take in whoever the kernel has let connect, for closing the port resets them; then close it."""
        waiting = list(accepted(self._sock)) if self._sock else []
        self._traffic.lost = _nothing
        listener.close()
        await asyncio.gather(*(begin(client, self._connect) for client in waiting))
        await listener.wait_for_arriving()

    async def _wait_until_empty(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._traffic.empty, self._forced)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _cut_off(self) -> None:
        """End what outlasted the drain: its clients are cut, its exchanges may finish their books."""
        for connection in [*self._traffic.connections, *self._traffic.turned_away]:
            connection.reset()
        for remedy in (_leave_alone, asyncio.Task.cancel):
            tasks = set(self._traffic.tasks)
            for task in tasks:
                remedy(task)
            if tasks:
                await asyncio.wait(tasks, timeout=AFTER_CUT_SECONDS)

    @contextlib.contextmanager
    def _signals(self, wanted: bool) -> Iterator[None]:
        if not wanted or threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)


def _leave_alone(task: asyncio.Task[None]) -> None:
    """Give the task its time."""
