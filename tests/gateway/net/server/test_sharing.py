"""Processes that accept from one socket: here, two servers of one process, which the counts cannot tell from that."""

import asyncio
import errno
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import pytest

from gateway.net.server import CELL_BYTES, ConnectionCounts, Server, bind
from tests.gateway.net.server.stage import GET, Echo, application, eventually
from tests.support.descriptors import no_descriptor_left

CELLS = 4


@pytest.fixture
def counts() -> Iterator[ConnectionCounts]:
    with tempfile.TemporaryFile() as file:
        yield ConnectionCounts(file.fileno(), CELLS)


@asynccontextmanager
async def sharing(counts: ConnectionCounts, sock: socket.socket, count: int) -> AsyncIterator[list[Server]]:
    """Servers that accept on the one socket."""
    async with AsyncExitStack() as stack:
        servers = [
            Server(application(Echo()), sock=sock.dup(), share=(counts, cell), drain_seconds=1.0)
            for cell in range(count)
        ]
        for server in servers:
            serving = asyncio.create_task(server.serve(handle_signals=False))
            stack.push_async_callback(asyncio.wait, [serving])
            stack.callback(server.stop)
            await server.started.wait()
        yield servers


async def connect(sock: socket.socket, count: int) -> list[asyncio.StreamWriter]:
    return [(await asyncio.open_connection(*sock.getsockname()))[1] for _ in range(count)]


def test_connection_counts_know_the_fewest_of_the_others(counts: ConnectionCounts) -> None:
    """An empty cell is nobody, one's own does not count, a cleared one is forgotten."""
    assert counts.fewest(besides=0) is None
    counts.post(0, 5)
    counts.post(1, 0)
    counts.post(2, 3)
    assert (counts.fewest(besides=0), counts.fewest(besides=1)) == (0, 3)
    counts.clear(1)
    assert counts.fewest(besides=0) == 3


def test_connection_counts_are_one_for_all_who_open_its_file() -> None:
    """What one process posts another reads; the file gets its size from whoever comes first."""
    with tempfile.TemporaryFile() as file:
        one, other = ConnectionCounts(file.fileno(), CELLS), ConnectionCounts(file.fileno(), CELLS)
        one.post(CELLS - 1, 7)
        assert other.fewest(besides=0) == 7 and file.seek(0, 2) == CELLS * CELL_BYTES


async def test_connections_are_shared_out(counts: ConnectionCounts) -> None:
    """Forty connections to two servers: nobody has many more than the other."""
    with bind("127.0.0.1", 0) as sock:
        async with sharing(counts, sock, 2) as servers:
            clients = await connect(sock, 40)
            await eventually(lambda: sum(server.connections for server in servers) == 40)
            assert min(server.connections for server in servers) >= 15
            for client in clients:
                client.close()


async def test_who_connects_to_one_server_does_not_wait_for_a_turn_each(counts: ConnectionCounts) -> None:
    """Under load a turn of the loop takes as long as all that is under way: a hundred clients are in after a few."""
    with bind("127.0.0.1", 0) as sock:
        async with sharing(counts, sock, 1) as (server,), AsyncExitStack() as stack:
            for _ in range(100):
                stack.enter_context(socket.create_connection(sock.getsockname()))
            for _ in range(12):
                await asyncio.sleep(0)
            assert server.connections == 100
        await eventually(lambda: server.connections == 0)


async def test_what_others_leave_is_taken(counts: ConnectionCounts) -> None:
    """The other has fewer connections by its cell, and is stuck: clients wait a moment, not for it."""
    counts.post(CELLS - 1, 0)
    with bind("127.0.0.1", 0) as sock:
        async with sharing(counts, sock, 1) as (server,):
            clients = await connect(sock, 100)
            await eventually(lambda: server.connections == 100)
            for client in clients:
                client.close()


async def test_a_server_that_drains_leaves_new_connections_to_the_others(counts: ConnectionCounts) -> None:
    """The port goes on to be served, and the drained one's cell is empty."""
    with bind("127.0.0.1", 0) as sock:
        async with sharing(counts, sock, 2) as (first, second):
            first.stop()
            await eventually(lambda: counts.fewest(besides=1) is None)
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
            assert (first.connections, second.connections) == (0, 1)
            writer.close()


class Full(socket.socket):
    """A listening socket of a process that has no file descriptor left, once."""

    refused = False

    def accept(self) -> tuple[socket.socket, object]:
        if not self.refused:
            self.refused = True
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_a_descriptor_left_connections_wait(counts: ConnectionCounts) -> None:
    """They are accepted a moment later, when there is room again."""
    with bind("127.0.0.1", 0) as sock, Full(fileno=sock.dup().detach()) as full:
        async with sharing(counts, full, 1), AsyncExitStack() as stack:
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            stack.callback(writer.close)
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_drain_answers_the_last_request_of_a_connection_in_use() -> None:
    """With `idle_seconds` a kept connection stays open for a request that crosses the drain, and then closes."""
    server = Server(application(Echo()), idle_seconds=1.0)
    serving = asyncio.create_task(server.serve(handle_signals=False))
    await server.started.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for _ in range(2):
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        server.stop() if b"close" not in head else None
        await asyncio.sleep(0.05)
    assert b"connection: close" in head and await reader.read() == b""
    writer.close()
    await serving


async def test_without_a_descriptor_left_health_is_answered() -> None:
    """Spare ones let in whoever asks for it, while all others are busy; a call is told to come again."""
    loop = asyncio.get_running_loop()
    server = Server(application(Echo()))
    serving = asyncio.create_task(server.serve(handle_signals=False))
    await server.started.wait()
    busy = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"
    health = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    asked = (busy, busy, health, busy, health, health)
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in asked]
        answers = []
        stack.enter_context(no_descriptor_left())
        for client, data in zip(clients, asked, strict=True):
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", server.port))
            await loop.sock_sendall(client, data)
            if client is not clients[0]:
                async with asyncio.timeout(5):
                    answers.append((await loop.sock_recv(client, 4096))[9:12])
    assert answers == [b"503", b"200", b"503", b"200", b"200"]
    server.stop()
    await serving
