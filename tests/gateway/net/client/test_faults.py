"""A provider that breaks off or garbles its answer: a typed error, and never a wrong or cut body as a whole one."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from gateway.errors import NOT_SENT, ProviderError
from gateway.net.client import Origin, Transport
from gateway.net.client.options import TransportKind
from tests.gateway.net.client.conftest import Make, failure, fetched, get, post
from tests.gateway.net.client.raw_server import CHUNKED, OK, Peer, Script, once, saying, serving
from tests.support.descriptors import no_descriptor_left

LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"


def resetting(*parts: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(*parts)
        await asyncio.sleep(0.01)
        peer.reset()

    return script


# Before there is a connection


async def test_refused(transport: Transport) -> None:
    """A port that nobody listens on: connect, with the origin in the message."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ProviderError, match=f"http://127.0.0.1:{port}: ") as caught:
            await transport.send(get(Origin("http", "127.0.0.1", port)))
    assert (caught.value.kind, caught.value.status) == ("connect", 502)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid", "a..b"])
async def test_a_name_that_does_not_resolve(transport: Transport, host: str) -> None:
    """An unknown host, and one that cannot be a name at all: connect."""
    assert await failure(transport, get(Origin("http", host, 80))) == "connect"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "no-such-host.invalid"])
async def test_no_descriptor_is_left(transport: Transport, host: str) -> None:
    """Neither the provider nor its name is at fault: this host is exhausted, and says to come again."""
    with no_descriptor_left(), pytest.raises(ProviderError) as caught:
        await transport.send(get(Origin("http", host, 9)))
    error = caught.value
    assert (error.kind, error.status, error.code, error.failed_by) == ("exhausted", 503, "overloaded", "gateway")
    assert (b"retry-after", b"1") in error.headers and error.kind in NOT_SENT


async def test_a_scheme_we_do_not_speak(transport: Transport) -> None:
    """Only http and https are connected to."""
    assert await failure(transport, get(Origin("ftp", "127.0.0.1", 21))) == "connect"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_connecting_takes_too_long(transports: Make, scheme: str) -> None:
    """A full backlog never answers TCP; a listener that accepts nothing never answers TLS. Both end in time."""
    transport = transports(connect_timeout_seconds=0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0 if scheme == "http" else 8) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4 if scheme == "http" else 0)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        async with asyncio.timeout(1.5):
            assert await failure(transport, get(Origin(scheme, "127.0.0.1", address[1]))) == "connect"
        for filler in fillers:
            filler.close()


async def test_a_request_may_bound_its_own_connecting(transports: Make) -> None:
    """In place of the transport's limit, which is far longer here."""
    transport = transports(connect_timeout_seconds=30.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        request = get(Origin("https", "127.0.0.1", listener.getsockname()[1]))
        request.connect_seconds = 0.1
        async with asyncio.timeout(1.5):
            assert await failure(transport, request) == "connect"


# Breaking off

BROKEN = [
    pytest.param([], "lost", id="before any byte"),
    pytest.param([b"HTTP/1.1 20"], "lost", id="in the status line"),
    pytest.param([b"HTTP/1.1 200 OK\r\nserver: x\r\ncont"], "lost", id="in the headers"),
    pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"], "lost", id="after an interim answer"),
    pytest.param([LENGTH], "truncated", id="before the body"),
    pytest.param([LENGTH + b"hel"], "truncated", id="in the body"),
    pytest.param([CHUNKED], "truncated", id="before the first chunk"),
    pytest.param([CHUNKED + b"5\r\nhe"], "truncated", id="in a chunk"),
    pytest.param([CHUNKED + b"5\r\nhello\r\n"], "truncated", id="between chunks"),
    pytest.param([CHUNKED + b"5\r\nhello\r\n0\r\n"], "truncated", id="before the last empty line"),
]


@pytest.mark.parametrize(("parts", "kind_of_error"), BROKEN)
@pytest.mark.parametrize("leave", [once, resetting])
async def test_a_connection_that_breaks(
    transport: Transport, leave: Callable[..., Script], parts: list[bytes], kind_of_error: str
) -> None:
    """Closed or reset at any point: lost before the header block is in, truncated after; sent once, and the next call
    is served."""
    async with serving(leave(*parts)) as server:
        assert await failure(transport, post(server.origin)) == kind_of_error
        assert len(server.requests) == 1
    async with serving(saying(OK)) as server:
        assert await fetched(transport, get(server.origin)) == b"hello"


async def test_what_came_before_the_break_is_handed_on(transport: Transport) -> None:
    """A stream's chunks reach the reader as they come; the error follows them."""
    async with serving(resetting(CHUNKED, b"5\r\nhello\r\n")) as server:
        chunks = (await transport.send(get(server.origin))).chunks()
        assert await anext(chunks) == b"hello"
        with pytest.raises(ProviderError) as caught:
            await anext(chunks)
    assert caught.value.kind == "truncated"


async def test_a_reset_after_a_whole_answer_does_no_harm(transport: Transport) -> None:
    """The answer stands, and the next call gets a new connection."""
    async with serving(resetting(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")) as server:
        assert await fetched(transport, get(server.origin)) == b"hello"
        await asyncio.sleep(0.03)
        assert await fetched(transport, get(server.origin)) == b"hello"
    assert server.connections == 2


async def test_a_reset_ends_a_body_without_a_length(transport: Transport) -> None:
    """Only an orderly close is its end."""
    async with serving(resetting(b"HTTP/1.1 200 OK\r\n\r\nhel")) as server:
        assert await failure(transport, get(server.origin)) == "truncated"


# Bad framing

BLOCK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"
GARBLED = [
    pytest.param([b"NOT HTTP AT ALL\r\n\r\n"], id="garbage"),
    pytest.param([b"HTTP/1.1 2x0 OK\r\n\r\n"], id="status"),
    pytest.param([b"HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n"], id="status below 100"),
    pytest.param([LENGTH[:-2] + b"content-length: 6\r\n\r\nhello!"], id="two lengths"),
    pytest.param([LENGTH[:-2] + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], id="length and chunked"),
    pytest.param([CHUNKED[:-2] + b"content-length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], id="chunked and length"),
    pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello"], id="negative length"),
    pytest.param([b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"], id="transfer coding"),
    pytest.param([BLOCK + b"x: " + b"a" * 200_000 + b"\r\n\r\n"], id="200 kB in one header"),
    pytest.param([BLOCK + b"x: 23456\r\n" * 20_000 + b"\r\n"], id="200 kB of headers"),
    pytest.param([BLOCK + b"x-header: %b\r\n" % (b"a" * 990) * 70 + b"\r\n"], id="70 kB of headers"),
]


@pytest.mark.parametrize("parts", GARBLED)
async def test_a_header_block_that_is_not_http(transport: Transport, parts: list[bytes]) -> None:
    """Malformed; the connection is closed."""

    async def script(peer: Peer) -> None:
        await peer.answer(*parts)
        await peer.gone()

    async with serving(script) as server:
        assert await failure(transport, get(server.origin)) == "malformed"
        await asyncio.wait_for(server.left.wait(), 1)


@pytest.mark.parametrize("garbled", [b"zz\r\nhello\r\n", b"5\r\nhelloX", b"-1\r\n", b"\r\n"], ids=repr)
async def test_chunks_that_are_not_chunks(transport: Transport, kind: TransportKind, garbled: bytes) -> None:
    """Malformed. httpx2 does not say whether a body was cut or garbled, so over `standard` it is truncated."""

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED, garbled)
        await peer.gone()

    async with serving(script) as server:
        assert await failure(transport, get(server.origin)) == ("malformed" if kind == "lean" else "truncated")
        await asyncio.wait_for(server.left.wait(), 1)


async def test_an_upgrade_that_nobody_asked_for(transport: Transport) -> None:
    """101 is malformed."""
    switch = b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    async with serving(once(switch)) as server:
        assert await failure(transport, get(server.origin)) == "malformed"


@pytest.mark.parametrize("flood", [b"HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n", b"\r\n"], ids=["103", "empty lines"])
async def test_a_flood_before_the_answer_is_bounded(transport: Transport, kind: TransportKind, flood: bytes) -> None:
    """Interim answers share the budget of one header block in `lean`; `standard` skips any number of them, in constant
    memory, until the caller's deadline."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for _ in range(50):
            await peer.send(flood * (2000 // len(flood)))
        await peer.close()

    async with serving(script) as server:
        assert await failure(transport, get(server.origin)) in ("malformed", "lost" if kind == "standard" else "")


async def test_endless_trailers_are_bounded(transport: Transport) -> None:
    """What comes behind the last chunk is not read for ever."""

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED + b"5\r\nhello\r\n0\r\n")
        for _ in range(100):
            await peer.send(b"x-trailer: 0123456789\r\n" * 1000)
        await peer.close()

    async with serving(script) as server:
        assert await failure(transport, get(server.origin)) in ("malformed", "truncated")


# More than was asked for


@pytest.mark.parametrize(
    "surplus",
    [
        pytest.param([OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nEVIL!"], id="an answer, at once"),
        pytest.param([OK, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nEVIL!"], id="an answer, a moment later"),
        pytest.param([OK + b"garbage"], id="garbage, at once"),
        pytest.param([CHUNKED + b"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200"], id="half an answer behind chunks"),
        pytest.param([b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], id="behind 204"),
    ],
)
async def test_surplus_bytes_are_never_served_to_the_next_call(transport: Transport, surplus: list[bytes]) -> None:
    """The first answer stands; its connection is not used again."""

    async def script(peer: Peer) -> None:
        await peer.answer(*(surplus if peer.number == 1 else [OK]))
        await peer.gone()

    async with serving(script) as server:
        assert await fetched(transport, get(server.origin)) in (b"hello", b"")
        await asyncio.sleep(0.02)
        assert await fetched(transport, get(server.origin, "/second")) == b"hello"
    assert server.connections == 2


async def test_a_call_right_behind_surplus_bytes_gets_its_own_answer(transport: Transport) -> None:
    """Without a breath between the two calls."""
    async with serving(saying(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nEVIL!")) as server:
        assert [await fetched(transport, get(server.origin)) for _ in range(10)] == [b"hello"] * 10
    assert server.connections == 10
