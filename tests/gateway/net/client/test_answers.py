"""What a proper answer looks like from this side of the seam, whatever its framing."""

import asyncio

import pytest

from gateway.errors import GatewayError
from gateway.net.client import Request, Transport, header
from tests.gateway.net.client.conftest import Make, body_of, fetched, get, post
from tests.gateway.net.client.raw_server import CHUNKED, OK, Peer, once, saying, serving
from tests.support.waiting import within


async def test_a_request_goes_out_as_it_was_given(transport: Transport) -> None:
    """Path and query are not quoted anew, header values not touched; host and length are written by the transport."""
    async with serving(saying(OK)) as server:
        request = Request("POST", server.origin, "/v1/a%2Fb?q=%20x&y=[1]", [(b"x-odd", b"caf\xc3\xa9")], b'{"a":1}')
        assert await fetched(transport, request) == b"hello"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/a%2fb?q=%20x&y=[1] http/1.1"
    assert sorted(lines[1:]) == sorted(
        [b"host: 127.0.0.1:%d" % server.origin.port, b"x-odd: caf\xc3\xa9", b"content-length: 7"]
    )
    assert body == b'{"a":1}'


@pytest.mark.parametrize(("method", "said"), [("GET", False), ("POST", True), ("DELETE", False)])
async def test_an_empty_body_says_its_length_where_one_is_expected(
    transport: Transport, method: str, said: bool
) -> None:
    """POST without a body says content-length 0, GET and DELETE nothing (RFC 9110, 8.6)."""
    async with serving(saying(OK)) as server:
        await fetched(transport, Request(method, server.origin, "/", []))
    assert (b"content-length: 0" in server.requests[0].lower()) is said


@pytest.mark.parametrize(
    ("path", "value"),
    [("/a b", b"v"), ("/a\r\nx: y", b"v"), ("/é", b"v"), ("a", b"v"), ("/", b"v\r\nx: y"), ("/", b"v\n"), ("/", b"\0")],
)
async def test_what_would_end_a_line_early_is_never_sent(transport: Transport, path: str, value: bytes) -> None:
    """A path or a header value with a line break, space or NUL is our failure, and nothing reaches the provider."""
    async with serving(saying(OK)) as server:
        with pytest.raises(GatewayError):
            await transport.send(Request("GET", server.origin, path, [(b"x-odd", value)]))
        assert await fetched(transport, get(server.origin)) == b"hello"
    assert len(server.requests) == 1


async def test_header_names_arrive_in_lower_case_and_in_order(transport: Transport) -> None:
    """Repeated headers stay apart, values as they came."""
    head = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nX-A: 1\r\nx-a: Two\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(head)) as server:
        response = await transport.send(get(server.origin))
        assert await body_of(response) == b""
    assert response.status == 429
    assert list(response.headers) == [
        (b"retry-after", b"7"), (b"x-a", b"1"), (b"x-a", b"Two"), (b"content-length", b"0"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([OK], id="content-length"),
        pytest.param([bytes([byte]) for byte in OK], id="byte by byte"),
        pytest.param([CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"], id="chunked"),
        pytest.param([CHUNKED, b"5;ext=1\r\nhel", b"lo\r", b"\n0\r\nx-trailer: no\r\n\r", b"\n"], id="chunked, cut"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n", OK], id="100 before"),
        pytest.param([b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 C\r\n\r\n" + OK], id="103 and 100"),
    ],
)
async def test_every_framing_gives_the_same_body(transport: Transport, parts: list[bytes]) -> None:
    """The body comes without its framing, interim answers and trailers leave no trace, and the connection is reused."""
    async with serving(saying(*parts)) as server:
        for _ in range(2):
            response = await transport.send(get(server.origin))
            assert response.status == 200
            assert header(response.headers, b"link") is header(response.headers, b"x-trailer") is None
            assert await body_of(response) == b"hello"
    assert server.connections == 1


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nserver: old\r\n\r\n"])
async def test_a_body_without_a_length_ends_with_the_connection(transport: Transport, head: bytes) -> None:
    """What the server sent before it closed is the body, and it is whole."""
    async with serving(once(head, b"hel", b"lo")) as server:
        assert await fetched(transport, get(server.origin)) == b"hello"
        assert await fetched(transport, get(server.origin)) == b"hello"
    assert server.connections == 2


@pytest.mark.parametrize("status", [b"204 No Content\r\n", b"304 Not Modified\r\ncontent-length: 5\r\n"])
async def test_204_and_304_have_no_body(transport: Transport, status: bytes) -> None:
    """They end with their header block, whatever length they speak of, and the connection is reused."""
    async with serving(saying(b"HTTP/1.1 " + status + b"\r\n")) as server:
        assert await fetched(transport, get(server.origin)) == b""
        assert await fetched(transport, get(server.origin)) == b""
    assert server.connections == 1


async def test_the_answer_to_head_has_no_body(transport: Transport) -> None:
    """Its content-length describes what GET would have given; the next answer on the connection is read rightly."""

    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        await peer.answer(OK)

    async with serving(script) as server:
        assert await fetched(transport, Request("HEAD", server.origin, "/", [])) == b""
        assert await fetched(transport, get(server.origin)) == b"hello"
    assert server.connections == 1


async def test_connection_close_is_honoured(transport: Transport) -> None:
    """The server said that it closes: the next call gets a connection of its own, though this one is still open."""

    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
        await peer.gone()

    async with serving(script) as server:
        assert await fetched(transport, get(server.origin)) == b"hello"
        await asyncio.wait_for(server.left.wait(), 1)
        assert await fetched(transport, get(server.origin)) == b"hello"
    assert server.connections == 2


async def test_a_redirect_is_returned_and_not_followed(transport: Transport) -> None:
    """302 to another host is an answer like any other."""
    head = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\r\n"
    async with serving(saying(head)) as server:
        response = await transport.send(get(server.origin))
        assert await body_of(response) == b""
    assert (response.status, len(server.requests)) == (302, 1)


async def test_a_slow_drip_arrives_piece_by_piece(transport: Transport) -> None:
    """A chunk is handed on when it comes, not when the body is whole."""
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED + b"3\r\none\r\n")
        await more.wait()
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")

    async with serving(script) as server:
        chunks = (await transport.send(get(server.origin))).chunks()
        assert await asyncio.wait_for(anext(chunks), 1) == b"one"
        more.set()
        assert [chunk async for chunk in chunks] == [b"two"]


async def test_large_bodies_go_both_ways(transport: Transport) -> None:
    """4 MB up and 4 MB down, on one connection, twice."""
    large = bytes(range(256)) * 16384
    async with serving(saying(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(large) + large)) as server:
        for _ in range(2):
            assert await fetched(transport, post(server.origin, large)) == large
    assert [request.partition(b"\r\n\r\n")[2] == large for request in server.requests] == [True, True]
    assert server.connections == 1


async def test_two_hundred_calls_at_once_get_their_own_answers(transports: Make) -> None:
    """Nothing is mixed up, and 200 connections are not capped at 100."""

    async def script(peer: Peer) -> None:
        while True:
            number = (await peer.request()).split(b" ")[1]
            await within(20, lambda: server.peak > 100)
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(number), number))

    transport = transports()
    async with serving(script) as server:
        paths = [f"/{number}" for number in range(200)]
        bodies = await asyncio.gather(*(fetched(transport, get(server.origin, path)) for path in paths))
    assert [body.decode() for body in bodies] == paths
