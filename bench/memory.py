"""One gateway without sockets: the real application, protocol and upstream client, with transports in memory.

What the kernel and the network do to a call is left out, so that a call takes the same steps every time. Nothing is
started in the background, so the store is never asked.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time
from typing import Any, cast

import uvloop

from bench.gateways import peers, wire
from gateway import logs
from gateway.config import load
from gateway.net.server.limits import ServerLimits
from gateway.net.server.protocol import BoundedProtocol
from gateway.net.server.traffic import Traffic
from gateway.replica.replica import Gateway, Seams, build
from gateway.store import OpenStore, RedisStore, connect

NOBODY = 1  # a port that nobody listens on
_TARGET = "openai/gpt-4o"
_REPLICA = "0123456789ab"
_END = b"0\r\n\r\n"


class MemoryTransport(asyncio.Transport):
    """Hands what is written to `written`, and tells `closed` of its end. Nothing ever comes on its real socket."""

    def __init__(self, written: Callable[[bytes], None], closed: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._written, self._closed = written, closed
        self._sock, self._peer = socket.socketpair()

    def write(self, data: Any) -> None:
        self._written(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"socket": self._sock, "sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)}.get(name, default)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """There is nothing to pause."""

    def resume_reading(self) -> None:
        """Nor to resume."""

    def close(self) -> None:
        self._closed()
        self._sock.close()
        self._peer.close()

    def abort(self) -> None:
        self.close()


class MemoryLoop(uvloop.Loop):
    """A loop whose connections lead to an upstream in memory, which answers at the loop's next turn."""

    def __init__(self) -> None:
        super().__init__()
        self._transports: list[MemoryTransport] = []
        self._whole, self._stream = [wire.answer()], wire.stream()

    async def create_connection(self, factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        protocol = factory()
        lost = partial(self.call_soon, protocol.connection_lost, None)
        transport = MemoryTransport(lambda data: self._answer(protocol, data), lost)
        self._transports.append(transport)
        protocol.connection_made(transport)
        return transport, protocol

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        super().close()

    def _answer(self, protocol: asyncio.Protocol, data: bytes) -> None:
        self._hand(protocol, self._stream if wire.GAP in data else self._whole, 0)

    def _hand(self, protocol: asyncio.Protocol, parts: list[bytes], index: int) -> None:
        self.call_soon(protocol.data_received, parts[index])
        if index + 1 < len(parts):
            # Each piece by itself: a turn for the piece, one for whoever waits for it.
            self.call_soon(self.call_soon, self._hand, protocol, parts, index + 1)


def gateway_in(folder: Path, seams: Seams | None = None) -> Gateway:
    """A gateway with the benchmark's configuration, the price of its target known."""
    folder.mkdir(parents=True, exist_ok=True)
    peers.serinus(folder, NOBODY, NOBODY)
    return gateway_of(folder / peers.CONFIG, seams)


def gateway_of(folder: Path, seams: Seams | None = None) -> Gateway:
    """A gateway with the configuration of that folder."""
    deployment = load(folder, {"KEY": "sk-upstream"})
    store = OpenStore(RedisStore(connect(f"redis://127.0.0.1:{NOBODY}"), _REPLICA), "redis", None)
    gateway = build(deployment, store, _REPLICA, logs.configure(), seams=seams)
    gateway.services.runtime.prices.rates(_TARGET, time())
    return gateway


def run(gateway: Gateway, count: int, gap_ms: int | None = None) -> int:
    """Make that many calls, streams if a gap is given, one after another; how many bytes came back.

    Once for a gateway: its connections belong to the loop that this makes.
    """
    headers = {"authorization": f"Bearer {peers.KEY}"}
    requests = wire.requests(peers.CHAT, "127.0.0.1", headers, "bench", gap_ms)
    return send(gateway, count, requests, _END if gap_ms is not None else b"")


def send(gateway: Gateway, count: int, requests: list[bytes], end: bytes = b"") -> int:
    """Send these requests in turn, so many in all; an answer is whole with `end`."""
    with asyncio.Runner(loop_factory=MemoryLoop) as runner:
        return runner.run(_send(gateway, count, requests, end))


async def _send(gateway: Gateway, count: int, requests: list[bytes], end: bytes) -> int:
    protocol = BoundedProtocol(gateway.asgi, Traffic(ServerLimits()), {}, asyncio.get_running_loop())
    client = _Client(end)
    connection = MemoryTransport(client.take)
    protocol.connection_made(connection)
    for index in range(count):
        answered = client.expect()
        protocol.data_received(requests[index % len(requests)])
        await answered
    protocol.connection_lost(None)
    connection.close()
    gateway.services.proxy.recorder.samples()  # adds up what waits: it is a part of the calls
    return client.size


class _Client:
    """Waits for one answer at a time: a whole one comes in one write, a stream ends with `end`."""

    def __init__(self, end: bytes) -> None:
        self._end = end
        self.size = 0
        self._answered: asyncio.Future[None] | None = None

    def expect(self) -> asyncio.Future[None]:
        self._answered = asyncio.get_running_loop().create_future()
        return self._answered

    def take(self, data: bytes) -> None:
        self.size += len(data)
        if data.startswith(b"HTTP/1.1") and not data.startswith(b"HTTP/1.1 200"):
            cast("asyncio.Future[None]", self._answered).set_exception(AssertionError(data.decode()))
        elif self._answered is not None and data.endswith(self._end) and not self._answered.done():
            self._answered.set_result(None)
