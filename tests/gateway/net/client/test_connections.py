"""How connections are kept, shared and let go."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from gateway.net.client import STALE_SECONDS, Origin, Transport, Upload, is_stale
from tests.gateway.net.client.conftest import Make, body_of, failure, fetched, get
from tests.gateway.net.client.raw_server import CHUNKED, OK, Peer, once, saying, serving

GONE_WITHIN = 0.1  # seconds: RELIABILITY's promise for a client that leaves


async def numbered(peer: Peer) -> None:
    """Answers every request with the number of its connection, after a moment."""
    while True:
        await peer.request()
        await asyncio.sleep(0.01)
        number = b"%d" % peer.number
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(number), number))


async def silent(peer: Peer) -> None:
    """Reads a request, and waits for the client to leave."""
    await peer.request()
    await peer.gone()


async def anything() -> AsyncGenerator[bytes]:
    yield b"x"


# Stale connections


async def test_an_idle_connection_that_the_server_closed_is_not_used(transport: Transport) -> None:
    """Every call succeeds although the server closes each connection after its answer, without a word."""
    async with serving(once(OK)) as server:
        for _ in range(5):
            assert await fetched(transport, get(server.origin)) == b"hello"
            await asyncio.sleep(0.01)
    assert len(server.requests) == server.connections == 5


async def test_a_close_that_crosses_with_the_next_request(transport: Transport) -> None:
    """Every call is answered: on a fresh connection, whether the close was seen in time or not."""
    async with serving(once(OK)) as server:
        for number in range(60):
            assert await fetched(transport, get(server.origin, f"/{number}")) == b"hello"


@pytest.mark.parametrize("resets", [True, False])
async def test_a_kept_connection_that_ends_at_once(transport: Transport, resets: bool) -> None:
    """The very same request goes out once more, on a fresh connection, and no more than once."""

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await peer.answer(OK)
        await peer.request()
        peer.reset() if resets else await peer.close()

    async with serving(script) as server:
        assert await fetched(transport, get(server.origin)) == b"hello"
        assert await failure(transport, get(server.origin, "/second")) == "lost"
    assert server.requests[1] == server.requests[2] and len(server.requests) == 3


def test_what_was_worked_on_is_not_sent_again() -> None:
    """A connection that ends long after the request did not cross with it; nor is an upload at hand for another go."""
    asked = get(Origin("http", "127.0.0.1", 1))
    assert is_stale(asked, 0.01) and not is_stale(asked, STALE_SECONDS)
    assert not is_stale(replace(asked, upload=Upload(anything(), None)), 0.01)


async def test_a_connection_idle_for_too_long_is_not_used(transports: Make) -> None:
    """After `idle_seconds` a call gets a fresh one."""
    transport = transports(idle_seconds=0.05)
    async with serving(numbered) as server:
        assert await fetched(transport, get(server.origin)) == b"1"
        assert await fetched(transport, get(server.origin)) == b"1"
        await asyncio.sleep(0.1)
        assert await fetched(transport, get(server.origin)) == b"2"


# Leaving


async def test_cancelled_before_the_headers(transport: Transport) -> None:
    """The provider sees the close within 100 ms."""
    async with serving(silent) as server:
        call = asyncio.create_task(fetched(transport, get(server.origin)))
        await server.asked.wait()
        call.cancel()
        await asyncio.wait_for(server.left.wait(), GONE_WITHIN)
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_cancelled_in_the_body(transport: Transport) -> None:
    """The provider sees the close within 100 ms, though a chunk had been read."""

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED + b"5\r\nhello\r\n")
        await peer.gone()

    async with serving(script) as server:
        response = await transport.send(get(server.origin))
        chunks = response.chunks()
        assert await anext(chunks) == b"hello"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(chunks), 0.02)
        await asyncio.wait_for(server.left.wait(), GONE_WITHIN)
        await response.aclose()


@pytest.mark.parametrize("read", [False, True])
async def test_closed_before_the_end_of_the_body(transport: Transport, read: bool) -> None:
    """`aclose` closes the connection, whether a chunk was read or none; twice is once."""

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED + b"5\r\nhello\r\n")
        await peer.gone()

    async with serving(script) as server:
        response = await transport.send(get(server.origin))
        if read:
            assert await anext(response.chunks()) == b"hello"
        await response.aclose()
        await response.aclose()
        await asyncio.wait_for(server.left.wait(), GONE_WITHIN)


async def test_closing_after_a_whole_body_keeps_the_connection(transport: Transport) -> None:
    """Read to the end, then closed, as a `finally` does: the next call finds the connection in the pool."""
    async with serving(numbered) as server:
        for _ in range(3):
            response = await transport.send(get(server.origin))
            assert await body_of(response) == b"1"
            await response.aclose()


async def test_the_transport_closes_what_is_open(transports: Make) -> None:
    """Idle connections close, a waiting call ends with an error, and later calls are refused."""
    transport = transports()

    async def script(peer: Peer) -> None:
        await peer.answer(OK)
        await silent(peer)

    async with serving(script) as server:
        assert await fetched(transport, get(server.origin)) == b"hello"
        call = asyncio.create_task(failure(transport, get(server.origin)))
        await asyncio.sleep(0.02)
        await transport.aclose()
        assert await asyncio.wait_for(call, 1) == "lost"
        await asyncio.wait_for(server.left.wait(), 1)
        assert await failure(transport, get(server.origin)) == "connect"


# Memory


async def test_a_slow_reader_stops_the_sender(transport: Transport) -> None:
    """What the reader has not taken stays with the sender, but for the kernel's buffers and one of ours."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 268435456\r\n\r\n")
        for _ in range(4096):
            await peer.send(bytes(65536))
            sent += 65536

    async with serving(script) as server:
        response = await transport.send(get(server.origin))
        chunks = response.chunks()
        read = len(await anext(chunks))
        await asyncio.sleep(0.3)
        stopped_at = sent
        await asyncio.sleep(0.1)
        assert sent == stopped_at < 32 * 2**20
        for _ in range(200):
            read += len(await anext(chunks))
        assert sent > stopped_at
        await response.aclose()


async def test_a_slow_reader_gets_all_of_it(transport: Transport) -> None:
    """Stopping and going on loses nothing."""
    body = bytes(range(256)) * 16384
    async with serving(saying(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)) as server:
        parts = []
        response = await transport.send(get(server.origin))
        async for chunk in response.chunks():
            parts.append(chunk)
            await asyncio.sleep(0.001)
        assert b"".join(parts) == body
        assert await fetched(transport, get(server.origin)) == body
    assert server.connections == 1


# Limits


async def test_the_pool_never_grows_above_its_limit(transports: Make) -> None:
    """Fifty calls over at most five connections: all served, the rest waits its turn."""
    transport = transports(max_connections=5)
    async with serving(numbered) as server:
        bodies = await asyncio.gather(*(fetched(transport, get(server.origin)) for _ in range(50)))
    assert server.peak <= server.connections <= 5
    assert set(bodies) <= {b"1", b"2", b"3", b"4", b"5"}


async def test_a_freed_place_goes_to_who_waits(transports: Make) -> None:
    """Each answer ends its connection, so the next in the queue gets one of its own."""
    transport = transports(max_connections=1)
    async with serving(once(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")) as server:
        bodies = await asyncio.gather(*(fetched(transport, get(server.origin)) for _ in range(8)))
    assert bodies == [b"hello"] * 8
    assert server.connections == 8


async def test_a_cancelled_waiter_leaves_the_queue(transports: Make) -> None:
    """Its turn goes to the next, also when it is cancelled in the moment it is served."""
    transport = transports(max_connections=1)
    async with serving(numbered) as server:
        calls = [asyncio.create_task(fetched(transport, get(server.origin))) for _ in range(12)]
        for number, call in enumerate(calls[1:10]):
            await asyncio.sleep(0.003 * (number % 3))
            call.cancel()
        async with asyncio.timeout(3):
            assert [(await call)[:0] for call in (calls[0], *calls[10:])] == [b"", b"", b""]
        assert (await fetched(transport, get(server.origin))).isdigit()


async def test_a_failed_connect_gives_its_place_back(transports: Make) -> None:
    """With room for one connection, refused calls do not use it up."""
    transport = transports(max_connections=1)
    async with serving(numbered) as server:
        origin = server.origin
    for _ in range(3):
        assert await failure(transport, get(origin)) == "connect"


async def test_a_burst_leaves_no_more_than_the_idle_limit(transports: Make) -> None:
    """After 100 calls at once, 16 connections stay, and one of them carries all that follows."""
    transport, everyone_is_here = transports(max_idle=16), asyncio.Barrier(100)

    async def together(peer: Peer) -> None:
        await everyone_is_here.wait()  # nobody is answered before that, so nobody's connection serves another
        await numbered(peer)

    async with serving(together) as server:
        await asyncio.gather(*(fetched(transport, get(server.origin)) for _ in range(100)))
        async with asyncio.timeout(3):
            await server.shrinks_to(16)
        assert server.peak == 100
        assert len({await fetched(transport, get(server.origin)) for _ in range(10)}) == 1
