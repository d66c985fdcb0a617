"""What only the lean transport promises."""

import asyncio
import gc
import socket

import pytest
import uvloop

from gateway.errors import ProviderError
from gateway.net.client import Origin, Request
from gateway.net.client.lean import LeanTransport
from gateway.net.client.lean_connection import HIGH_WATER, LeanConnection, Unsent
from gateway.net.client.lean_response import LeanResponse
from gateway.net.client.options import TransportOptions
from gateway.net.write_batching import Cork
from tests.gateway.net.client.conftest import body_of, failure, fetched, get, post
from tests.gateway.net.client.raw_server import CHUNKED, OK, Peer, once, saying, serving


@pytest.fixture
def lean() -> LeanTransport:
    return LeanTransport(TransportOptions(idle_seconds=0.1, max_idle=2))


async def test_head_and_body_leave_in_one_packet(lean: LeanTransport) -> None:
    """One write: the server's first read has both."""

    async def script(peer: Peer) -> None:
        assert (await peer.packet()).endswith(b"\r\n\r\n" + b"x" * 1000)
        await peer.send(OK)

    async with serving(script) as server:
        assert await fetched(lean, post(server.origin, b"x" * 1000)) == b"hello"
    await lean.aclose()


async def test_bytes_that_came_together_are_one_chunk(lean: LeanTransport) -> None:
    """All that came since the last wake-up is handed on at once."""
    async with serving(saying(CHUNKED + b"1\r\na\r\n" * 100 + b"0\r\n\r\n")) as server:
        response = await lean.send(get(server.origin))
        assert [chunk async for chunk in response.chunks()] == [b"a" * 100]
    await lean.aclose()


async def test_an_answer_before_the_request_is_read(lean: LeanTransport) -> None:
    """413 while 32 MB are on their way: the answer arrives, and the rest is never the beginning of another request."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge")
        await peer.gone()

    async with serving(script) as server:
        response = await lean.send(post(server.origin, bytes(32 << 20)))
        assert (response.status, await body_of(response)) == (413, b"large")
        await asyncio.wait_for(server.left.wait(), 1)
    await lean.aclose()


async def test_the_sweep_closes_idle_connections(lean: LeanTransport) -> None:
    """Without any further call; of five at once, three close at once and two when they have been idle too long."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.02)
        await peer.send(OK)
        await peer.gone()

    async with serving(script) as server:
        await asyncio.gather(*(fetched(lean, get(server.origin)) for _ in range(5)))
        await asyncio.sleep(0.05)
        assert server.open == 2
        await asyncio.sleep(0.15)
        assert server.open == 0
    await lean.aclose()


async def test_unread_bytes_are_bounded(lean: LeanTransport) -> None:
    """The high-water mark and one read more, whatever the sender does."""

    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 268435456\r\n\r\n")
        for _ in range(4096):
            await peer.send(bytes(65536))

    async with serving(script) as server:
        response = await lean.send(get(server.origin))
        await asyncio.sleep(0.2)
        assert 0 < response.unread <= HIGH_WATER + 256 * 1024
        await response.aclose()
    await lean.aclose()


async def test_an_idle_connection_that_speaks_is_closed(lean: LeanTransport) -> None:
    """At once, not at the next call."""

    async def script(peer: Peer) -> None:
        await peer.answer(OK)
        await peer.send(OK)
        await peer.gone()

    async with serving(script) as server:
        assert await fetched(lean, get(server.origin)) == b"hello"
        await asyncio.wait_for(server.left.wait(), 1)
    await lean.aclose()


async def test_closing_turns_away_who_waits() -> None:
    """Queued calls end with connect, a call on the wire as lost, a body as truncated."""
    lean = LeanTransport(TransportOptions(max_connections=2))

    async def script(peer: Peer) -> None:
        await peer.answer(*([CHUNKED + b"1\r\na\r\n"] if peer.number == 1 else []))
        await peer.gone()

    async with serving(script) as server:
        response = await lean.send(get(server.origin))
        server.asked.clear()
        calls = [asyncio.create_task(failure(lean, get(server.origin))) for _ in range(3)]
        await server.asked.wait()
        await lean.aclose()
        assert await asyncio.gather(*calls) == ["lost", "connect", "connect"]
        assert await failure(lean, get(Origin("http", "127.0.0.1", 1))) == "connect"
        with pytest.raises(ProviderError) as caught:
            await body_of(response)
        assert caught.value.kind == "truncated"


async def test_a_cancelled_connect_gives_its_place_back() -> None:
    """Cancelled in the TLS handshake, again and again, with room for one connection."""
    lean = LeanTransport(TransportOptions(max_connections=1, connect_timeout_seconds=0.1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = Origin("https", "127.0.0.1", listener.getsockname()[1])
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(lean.send(get(origin)), 0.02)
        async with asyncio.timeout(1):
            assert await failure(lean, get(origin)) == "connect"
    await lean.aclose()


async def test_a_connect_cancelled_at_any_moment_leaves_no_socket(lean: LeanTransport) -> None:
    """asyncio's happy eyeballs did; an unclosed socket is a warning, and warnings are errors here."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        origin = Origin("http", "127.0.0.1", listener.getsockname()[1])
        for steps in range(60):
            call = asyncio.create_task(lean.send(get(origin)))
            for _ in range(steps % 12):
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await lean.aclose()
    gc.collect()


async def test_calls_leave_no_cycles_for_the_collector(lean: LeanTransport) -> None:
    """A hundred calls over a kept connection are freed by reference counting alone."""
    async with serving(saying(OK)) as server:
        await fetched(lean, get(server.origin))
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                await fetched(lean, Request("GET", server.origin, "/", []))
            left = [found for found in gc.get_objects() if isinstance(found, LeanResponse)]
            assert len(left) == 0
        finally:
            gc.enable()
    await lean.aclose()


async def test_closing_while_a_connection_is_made(lean: LeanTransport) -> None:
    """The call that wanted it ends with connect, and nothing stays open."""
    async with serving(saying(OK)) as server:
        call = asyncio.create_task(failure(lean, get(server.origin)))
        await asyncio.sleep(0)
        await lean.aclose()
        assert await call == "connect"
        await asyncio.sleep(0.02)
        assert (server.open, server.requests) == (0, [])


@pytest.mark.parametrize("ending", [b"", b"connection: close\r\n"], ids=["connection", "place"])
async def test_a_waiter_cancelled_as_it_is_served_passes_it_on(ending: bytes) -> None:
    """What was granted, a connection or the place for one, goes to the next in the queue."""
    lean = LeanTransport(TransportOptions(max_connections=1))

    async def script(peer: Peer) -> None:
        while True:
            await peer.answer(b"HTTP/1.1 200 OK\r\n%bcontent-length: 5\r\n\r\n" % ending, b"hello")

    async with serving(script) as server:
        first = await lean.send(get(server.origin))
        second, third = (asyncio.create_task(fetched(lean, get(server.origin))) for _ in range(2))
        assert await body_of(first) == b"hello"
        if ending:
            await asyncio.sleep(0)
        second.cancel()
        assert await asyncio.wait_for(third, 1) == b"hello"
        assert second.cancelled()
    assert len(server.requests) == 2
    await lean.aclose()


@pytest.mark.parametrize("speaks", [False, True])
async def test_a_connection_that_dies_before_the_request_is_written(lean: LeanTransport, speaks: bool) -> None:
    """Between its choice and the write, by an end or by bytes out of turn: another one is taken, for nothing was sent.
    asyncio's own loop writes before it looks; a fresh one is made where no answer came.

    Two calls at once, so that the next one's request is held back.
    """
    peers = list[Peer]()

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await peer.answer(OK)
        await peer.answer(OK)
        await peer.answer(OK)

    async with serving(script) as server:
        for _ in range(2):
            await asyncio.gather(*(fetched(lean, get(server.origin)) for _ in range(2)))
        call = asyncio.create_task(fetched(lean, get(server.origin)))
        await asyncio.sleep(0)
        for peer in peers:
            peer.interrupt(OK if speaks else b"")
        if isinstance(asyncio.get_running_loop(), uvloop.Loop):
            assert await call == b"hello"
            assert (server.connections, len(server.requests)) == (3, 5)
        else:
            await asyncio.wait([call])
            assert call.exception() is None and server.connections == (2 if speaks else 3)
    await lean.aclose()


async def test_a_kept_connection_that_ends_in_an_answer(lean: LeanTransport) -> None:
    """A byte of an answer says that the provider took the request: it is not sent again."""

    async def script(peer: Peer) -> None:
        await peer.answer(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 20")
        await peer.close()

    async with serving(script) as server:
        assert await fetched(lean, get(server.origin)) == b"hello"
        assert await failure(lean, get(server.origin, "/second")) in ("lost", "malformed")
    assert len(server.requests) == 2
    await lean.aclose()


async def test_a_fresh_connection_that_dies_is_not_replaced(lean: LeanTransport) -> None:
    """Who ends every new connection is not asked for ever."""

    async def script(peer: Peer) -> None:
        if peer.number <= 2:
            await peer.answer(OK)
            await peer.answer(OK)

    async with serving(script) as server:
        for _ in range(2):
            await asyncio.gather(*(fetched(lean, get(server.origin)) for _ in range(2)))
        await asyncio.sleep(0.02)
        for number in (3, 4):
            assert await failure(lean, get(server.origin)) in ("lost", "connect")
            assert (server.connections, len(server.requests)) == (number, 4)
    await lean.aclose()


class Wire(asyncio.Transport):
    """A transport in memory, and who keeps its connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written = list[bytes]()
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self

    def fileno(self) -> int:
        return 0

    def keep(self, connection: LeanConnection) -> None: ...

    def forget(self, connection: LeanConnection) -> None: ...


async def test_nothing_is_written_on_a_connection_that_is_closing() -> None:
    """Reset after it was chosen, and the loop has not said so yet: the request counts as unsent."""
    wire, cork, loop = Wire(), Cork(), asyncio.get_running_loop()
    connection = LeanConnection(wire, Origin("http", "127.0.0.1", 1), loop, cork)
    connection.connection_made(wire)
    for _ in range(2):  # a busy turn, after which writes are held
        cork.holds(connection, loop)
    await asyncio.sleep(0)
    answer = connection.exchange(b"GET / HTTP/1.1\r\n\r\n", b"", bodiless=False)
    wire.closing = True
    await asyncio.sleep(0)
    connection.connection_lost(ConnectionResetError("reset"))
    with pytest.raises(Unsent):
        await answer.begun
    assert wire.written == []


def piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_pieces_are_poured_as_they_come(lean: LeanTransport) -> None:
    """In the callback that brings them: each has been taken before anyone who was woken by the same packet runs."""
    async with serving(saying(CHUNKED, piece(b"a"), piece(b"b") + piece(b"c"), b"0\r\n\r\n")) as server:
        taken = list[bytes]()

        def take(data: bytes) -> bool:
            taken.append(data)
            return True

        for _ in range(2):  # the connection serves another call
            response = await lean.send(get(server.origin))
            assert not await response.pour(take)
        assert taken == [b"a", b"bc"] * 2 and server.connections == 1
    await lean.aclose()


async def test_pouring_can_stop_and_go_on(lean: LeanTransport) -> None:
    """Nothing is lost and nothing comes twice: what came meanwhile is poured in one piece, or read as chunks."""
    letters = b"abcdef"
    async with serving(saying(CHUNKED, *(piece(bytes([letter])) for letter in letters), b"0\r\n\r\n")) as server:
        response = await lean.send(get(server.origin))
        taken = list[bytes]()

        def take(data: bytes) -> bool:
            taken.append(data)
            return False

        assert await response.pour(take) and taken == [b"a"]
        await asyncio.sleep(0.05)
        assert await response.pour(take) and taken == [b"a", b"bcdef"]
        assert not await response.pour(take) and len(taken) == 2
        response = await lean.send(get(server.origin))
        assert await response.pour(take)
        assert await body_of(response) == letters[1:]
    await lean.aclose()


@pytest.mark.parametrize("stops", [True, False])
async def test_a_break_while_pouring(lean: LeanTransport, stops: bool) -> None:
    """What came before it has been taken; then it is raised, at once or with the next word."""
    async with serving(once(CHUNKED, piece(b"a"), b"5\r\nhal")) as server:
        response = await lean.send(get(server.origin))
        taken = list[bytes]()

        def take(data: bytes) -> bool:
            taken.append(data)
            return not stops

        if stops:
            assert await response.pour(take)
            await asyncio.sleep(0.05)
            assert await response.pour(take)
        with pytest.raises(ProviderError) as caught:
            await response.pour(take)
        assert caught.value.kind == "truncated" and taken == [b"a", b"hal"]
    await lean.aclose()


async def test_what_a_reader_raises_is_its_own(lean: LeanTransport) -> None:
    """It comes out of `pour`, and the connection is closed."""

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED, piece(b"a"))
        await peer.gone()

    def take(data: bytes) -> bool:
        raise KeyError(data)

    async with serving(script) as server:
        response = await lean.send(get(server.origin))
        with pytest.raises(KeyError):
            await response.pour(take)
        await asyncio.wait_for(server.left.wait(), 1)
    await lean.aclose()


async def test_a_reader_cancelled_while_pouring(lean: LeanTransport) -> None:
    """The provider sees it leave at once, and nothing is poured after it."""

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED, piece(b"a"))
        await peer.gone()

    async with serving(script) as server:
        response = await lean.send(get(server.origin))
        taken = list[bytes]()

        def take(data: bytes) -> bool:
            taken.append(data)
            return True

        reading = asyncio.create_task(response.pour(take))
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.wait_for(server.left.wait(), 1)
        assert taken == [b"a"]
    await lean.aclose()
