"""The server's life: it starts, drains without breaking a stream, and ends."""

import asyncio
import gc
import os
import signal
import socket
import sys

import pytest

from gateway.errors import GatewayError
from gateway.net.asgi import Message, PlainReceive, PlainSend
from gateway.net.server import EXTENSION, Server, ServerLimits, bind
from tests.gateway.net.server.stage import (
    GET,
    PATIENCE,
    Echo,
    answer,
    application,
    begin_stream,
    eventually,
    read_refusal,
    serving,
    stage,
)


class Streams:
    """Streams that end when the test says so."""

    def __init__(self) -> None:
        self.finish = asyncio.Event()
        self.cut = 0

    async def __call__(self, scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        scope["extensions"][EXTENSION].when_gone(self._count)
        await begin_stream(send, b"one")
        await self.finish.wait()
        await send({"type": "http.response.body", "body": b"two"})

    def _count(self) -> None:
        self.cut += 1


async def test_drain_lets_streams_finish() -> None:
    """Told to stop with fifty streams open, the server says so, takes no more, and breaks none of them."""
    streams, told = Streams(), asyncio.Event()
    server = Server(application(streams), on_draining=told.set)
    async with serving(server) as on:
        clients = [await on.connect() for _ in range(50)]
        for client in clients:
            client.send(GET)
            await client.until(b"one\r\n")
        server.stop()
        assert told.is_set() is False
        await eventually(told.is_set)
        await eventually(lambda: _refuses(server.port))
        streams.finish.set()
        assert [await client.rest() for client in clients] == [b"3\r\ntwo\r\n0\r\n\r\n"] * 50
    assert streams.cut == 0


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_drain_closes_idle_connections_at_once() -> None:
    """Kept connections without a request close at once, so that an idle server ends at once."""
    server = Server(application(Echo()))
    async with serving(server) as on:
        client = await on.connect()
        client.send(GET)
        await client.answer()
        server.stop()
        assert await client.rest() == b"", "long before the drain ends, or a client's patience"


async def test_drain_serves_a_request_that_is_on_its_way() -> None:
    """Half a request when the drain begins, or a new connection without one yet, still gets its answer, and a close."""
    server = Server(application(Echo()))
    async with serving(server) as on:
        half, new = await on.connect(), await on.connect()
        half.send(GET[:10])
        await eventually(lambda: server.connections == 2)
        server.stop()
        await asyncio.sleep(0.05)
        half.send(GET[10:])
        new.send(GET)
        for client in (half, new):
            data = await client.rest()
            assert data.startswith(b"HTTP/1.1 200 OK")
            assert b"connection: close" in data


async def test_drain_finishes_what_was_pipelined() -> None:
    """All requests that had arrived on a connection are answered before it closes."""
    streams = Streams()
    server = Server(application(streams))
    async with serving(server) as on:
        client = await on.connect()
        client.send(GET * 2)
        await client.until(b"one\r\n")
        server.stop()
        await asyncio.sleep(0.02)
        streams.finish.set()
        rest = await client.rest()
    assert rest.count(b"two") == 2
    assert rest.count(b"connection: close") == 1


async def test_drain_has_an_end() -> None:
    """A stream that outlasts the drain is cut, and its application learns that its client is gone."""
    streams = Streams()
    server = Server(application(streams), drain_seconds=0.1)
    async with serving(server) as on:
        client = await on.connect()
        client.send(GET)
        await client.until(b"one\r\n")
        server.stop()
        with pytest.raises(ConnectionResetError):
            await client.rest()
        assert streams.cut == 1


async def test_second_stop_forces() -> None:
    """Told twice, the server cuts what is open without waiting for the drain's end."""
    streams = Streams()
    server = Server(application(streams), drain_seconds=3600)
    async with serving(server) as on:
        client = await on.connect()
        client.send(GET)
        await client.until(b"one\r\n")
        server.stop()
        server.stop()
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_books_are_finished_after_the_answer() -> None:
    """What the application does after its answer is waited for as well."""
    done: list[int] = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, b"ok")
        await asyncio.sleep(0.1)
        done.append(1)

    server = Server(application(app))
    async with serving(server) as on:
        client = await on.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await client.rest()
        server.stop()
        await eventually(lambda: bool(done))


async def test_application_that_does_not_start() -> None:
    """A failing startup raises, and no port was opened."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    server = Server(app)
    with pytest.raises(GatewayError, match="did not start"):
        await server.serve(handle_signals=False)
    assert not server.started.is_set()


async def test_a_server_leaves_the_collector_to_its_process() -> None:
    """Whoever owns the process decides what is collected, and when: a collection of a large one takes long."""
    collections, frozen = gc.get_stats()[2]["collections"], gc.get_freeze_count()
    async with stage(Echo()):
        assert gc.get_freeze_count() == frozen
    assert gc.get_stats()[2]["collections"] - collections <= 1


async def test_port_already_taken() -> None:
    """A taken address raises OSError, after the application was shut down again."""
    with bind("127.0.0.1", 0) as taken:
        server = Server(application(Echo()), "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await server.serve(handle_signals=False)


async def test_several_servers_share_a_port() -> None:
    """Two sockets bound with `shared` listen on one port, one for each worker."""
    first = bind("127.0.0.1", 0, shared=True)
    second = bind("127.0.0.1", first.getsockname()[1], shared=True)
    echoes = (Echo(), Echo())
    servers = [Server(application(echo), sock=sock) for echo, sock in zip(echoes, (first, second), strict=True)]
    async with serving(servers[0]) as on, serving(servers[1]):
        for _ in range(40):
            client = await on.connect()
            client.send(GET)
            assert await client.answer() == (200, b"/ ")
    assert all(echo.scopes for echo in echoes)


async def test_state_of_the_lifespan_reaches_requests() -> None:
    """What the application put into its state while starting is there in every request, as a copy."""
    seen: list[object] = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["db"] = "open"
            await application(app)(scope, receive, send)
        else:
            seen.append(dict(scope["state"]))
            scope["state"]["db"] = "changed"
            await answer(send, b"ok")

    async with serving(Server(app)) as on:
        client = await on.connect()
        client.send(GET * 2)
        await client.answer()
        await client.answer()
    assert seen == [{"db": "open"}] * 2


async def test_departed_by_refusal_in_mid_answer() -> None:
    """A request that turns bad after its answer began is cut: the client must not take the answer for a whole one."""

    async def eager(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await begin_stream(send, b"one")
        await asyncio.sleep(PATIENCE)

    async with stage(eager, ServerLimits(body_bytes=10)) as on:
        client = await on.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.until(b"one\r\n")
        client.send(b"14\r\n" + b"x" * 20 + b"\r\n")
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_burst_of_connections_waits_in_the_backlog() -> None:
    """Five hundred connections that arrive while the loop is busy are all taken: none waits for a repeated SYN."""
    async with serving(Server(application(Echo()))) as on:
        burst = [socket.create_connection(("127.0.0.1", on.server.port), timeout=0.5) for _ in range(500)]
        await eventually(lambda: on.server.connections == 500)
        for client in burst:
            client.close()


PROGRAM = """
import sys
from gateway.net.server import Server
from tests.gateway.net.server.stage import announce_and_stream, application
Server(application(announce_and_stream), sys.argv[1], int(sys.argv[2])).run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_signal_drains_a_real_process(number: signal.Signals) -> None:
    """One signal: the open stream finishes, the process exits with 0."""
    process, reader, writer = await _process("/")
    process.send_signal(number)
    assert (await reader.read()).endswith(b"3\r\ntwo\r\n0\r\n\r\n")
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    writer.close()


async def test_second_signal_forces_a_real_process() -> None:
    """Two signals: the stream is cut, the process is gone at once, with 0 as well."""
    process, reader, writer = await _process("/long")
    process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    writer.close()


async def _process(path: str) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader, asyncio.StreamWriter]:
    """A server process with one stream begun."""
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    arguments = ("-c", PROGRAM, "127.0.0.1", str(port))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=os.getcwd())
    await eventually(lambda: not _refuses(port))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    await reader.readuntil(b"one\r\n")
    return process, reader, writer


async def test_refusals_keep_their_form_while_draining() -> None:
    """A bad request that arrives during the drain is refused as at any other time."""
    server = Server(application(Echo()))
    async with serving(server) as on:
        client = await on.connect()
        client.send(b"GET / HTTP/1.1\r\n")
        await eventually(lambda: server.connections == 1)
        server.stop()
        await asyncio.sleep(0.02)
        client.send(b"\r\n")
        assert read_refusal(await client.rest()) == (400, "bad_request")


async def test_drain_resets_nobody_who_could_connect() -> None:
    """Clients that come back at once when told that a connection was its last are answered, or refused: never cut."""
    for _ in range(10):
        server = Server(application(Echo()), idle_seconds=0.2)
        async with serving(server):
            callers = [asyncio.create_task(_call_until_refused(server.port)) for _ in range(16)]
            await asyncio.sleep(0.1)
            server.stop()
            assert sum(await asyncio.gather(*callers)) > 16


async def _call_until_refused(port: int) -> int:
    """How many calls were answered before nobody listened any more. Raises when a call was not answered."""
    count = 0
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return count
        head = b""
        while b"connection: close" not in head:
            writer.write(GET)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            count += 1
        writer.close()


def test_every_address_is_one_of_both_families() -> None:
    """`[::]:8080` takes IPv4, too; one IPv6 address alone does not."""
    with bind("::", 0) as both:
        port = both.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=5).close()
    with bind("::1", 0) as one, pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", one.getsockname()[1]), timeout=5)
