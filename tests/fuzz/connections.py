"""Targets that read from a connection: requests at the server, WebSocket frames, and answers of providers."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop
from uvicorn.protocols.http.flow_control import FlowControl

from gateway.errors import ProviderError
from gateway.net.asgi import Message, PlainReceive, PlainSend, Scope
from gateway.net.client import Origin
from gateway.net.client.lean_connection import LeanConnection
from gateway.net.server import BoundedProtocol, Departure, ServerLimits, Traffic
from gateway.net.server.websocket import WebSocket
from gateway.net.write_batching import Cork
from tests.fuzz.target import Target, pieces

_TURNS = 6  # of the loop: as many as a piece needs to be read, and its answer to be written
_LIMITS = ServerLimits(head_bytes=2_000, header_count=20, target_bytes=500, body_bytes=2_000, linger_seconds=0.01)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_threads = threading.local()


def _run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run in a loop that later checks use again."""
    if not hasattr(_threads, "runner"):
        _threads.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return _threads.runner.run(work())


class _Seen:
    """An application that answers each request with what it has seen of it, and keeps what was raised."""

    def __init__(self) -> None:
        self.requests: list[tuple[Any, ...]] = []

    async def __call__(self, scope: Scope, receive: PlainReceive, send: PlainSend) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.requests.append((scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], body))
        start: Message = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b"ok"})


async def _turns(count: int = _TURNS) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def _receive_all(sock: socket.socket) -> bytes:
    found = b""
    while True:
        try:
            part = sock.recv(1 << 16)
        except (BlockingIOError, ConnectionError):
            return found
        if not part:
            return found
        found += part


async def _serve(parts: list[bytes]) -> tuple[list[tuple[Any, ...]], list[bytes]]:
    """What the application saw of a client that sent these pieces, and the statuses that the client was answered."""
    loop, app, faults = asyncio.get_running_loop(), _Seen(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    traffic = Traffic(_LIMITS)
    transport, _ = await loop.connect_accepted_socket(lambda: BoundedProtocol(app, traffic, {}, loop), theirs)
    said = b""
    try:
        for part in parts:
            try:
                ours.sendall(part)
            except (BrokenPipeError, ConnectionError):
                break
            await _turns()
            said += _receive_all(ours)
        await _turns(4 * _TURNS)
        said += _receive_all(ours)
    finally:
        ours.close()
        await _turns()
        transport.abort()
        await _turns(2)
        for task in list(traffic.tasks):
            task.cancel()
        await _turns(2)
    assert not faults, faults
    return app.requests, _STATUS.findall(said)


def check_server(data: bytes, cuts: tuple[int, ...]) -> None:
    """Cut anywhere, the application sees the same requests, and the client gets the same statuses."""
    whole = _run(lambda: _serve([data] if data else []))
    cut = _run(lambda: _serve(pieces(data, cuts)))
    assert whole == cut, (whole, cut)
    requests, statuses = whole
    assert len(requests) <= len(statuses) + 1
    for method, path, query, headers, _body in requests:
        assert method.isascii() and b"\n" not in path + query + b"".join(name + value for name, value in headers)
        names = [name for name, _ in headers]
        assert not (b"content-length" in names and b"transfer-encoding" in names)
        assert max(names.count(name) for name in (b"host", b"content-length", b"transfer-encoding")) <= 1


class _Keeper:
    """An owner of one connection."""

    def keep(self, connection: LeanConnection) -> None: ...

    def forget(self, connection: LeanConnection) -> None: ...


async def _answered(parts: list[bytes], ends: bool) -> tuple[Any, ...]:
    """The answer that a provider's pieces make: status, headers, body, and the kind of the error that ended it."""
    loop, faults = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    connection = LeanConnection(_Keeper(), Origin("http", "provider", 80), loop, Cork())
    await loop.connect_accepted_socket(lambda: connection, ours)
    answer = connection.exchange(b"POST / HTTP/1.1\r\nhost: provider\r\n\r\n", b"", bodiless=False)
    body, error = b"", ""
    try:
        await _turns(2)
        for part in parts:
            try:
                theirs.sendall(part)
            except (BrokenPipeError, ConnectionError):
                break
            await _turns()
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        await _turns()
        if not (ends or answer.begun.done()):
            return ("waits",)
        try:
            await asyncio.wait_for(answer.begun, 5)
            while answer.unread or ends or answer._source is None:
                body += await asyncio.wait_for(anext(answer), 5)
            error = "waits"
        except StopAsyncIteration:
            pass
        except ProviderError as failure:
            error = failure.kind
    finally:
        connection.abort()
        theirs.close()
        await _turns(2)
    assert not faults, faults
    if not answer.begun.done() or answer.begun.cancelled() or answer.begun.exception() is not None:
        return ("failed", error)
    return answer.status, answer.headers, body, error


def check_answer(data: bytes, cuts: tuple[int, ...]) -> None:
    """Cut anywhere, an answer of a provider is the same one, or fails in the same way."""
    whole = _run(lambda: _answered([data] if data else [], True))
    cut = _run(lambda: _answered(pieces(data, cuts), True))
    assert whole == cut, (whole, cut)


async def _talked(parts: list[bytes]) -> tuple[list[bytes], bytes]:
    """The messages that a client's frames make, and the frames that it was answered with, pongs apart."""
    loop, faults, messages = asyncio.get_running_loop(), list[dict[str, Any]](), list[bytes]()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, theirs)
    client = WebSocket(transport, FlowControl(transport), loop, Traffic(_LIMITS), Departure())
    transport.set_protocol(client)

    async def listen() -> None:
        while (message := await client.receive()) is not None:
            messages.append(message)

    listening = loop.create_task(listen())
    try:
        await _turns(2)
        for part in parts:
            try:
                ours.sendall(part)
            except (BrokenPipeError, ConnectionError):
                break
            await _turns()
        await _turns(2 * _TURNS)
        said = _receive_all(ours)
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        client.reset()
        ours.close()
        await _turns(2)
    assert not faults, faults
    return messages, _closed(said)


def _closed(said: bytes) -> bytes:
    """The payload of the frame that closes, of unmasked frames that are short."""
    while said:
        kind, size = said[0] & 15, said[1]
        if kind == 8:
            return said[2 : 2 + size]
        assert kind == 10 and size < 126, said
        said = said[2 + size :]
    return b""


def check_websocket(data: bytes, cuts: tuple[int, ...]) -> None:
    """Cut anywhere, a socket ends for the same reason; what ends it in one piece with messages may overtake them."""
    whole, why = _run(lambda: _talked([data] if data else []))
    cut, why_cut = _run(lambda: _talked(pieces(data, cuts)))
    assert why == why_cut, (why, why_cut)
    assert whole == cut[: len(whole)] or cut == whole[: len(cut)], (whole, cut)
    assert why or whole == cut, (whole, cut)
    for message in cut:
        message.decode()


CONNECTIONS = (
    Target("websocket", check_websocket, is_slow=True),
    Target("server", check_server, is_slow=True),
    Target("answer", check_answer, is_slow=True),
)
