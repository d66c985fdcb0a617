"""What cannot be understood in one way only is refused, and nothing of it reaches the application."""

import asyncio

import pytest

from tests.gateway.net.server.stage import GET, Echo, read_refusal, stage

POST = b"POST /x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "Content-Length, then Transfer-Encoding": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + GET,
    "Transfer-Encoding, then Content-Length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + GET,
    "two equal Content-Lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "two different Content-Lengths": POST + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\nab",
    "a list as Content-Length": POST + b"Content-Length: 2, 2\r\n\r\nab",
    "a signed Content-Length": POST + b"Content-Length: +2\r\n\r\nab",
    "an empty Content-Length": POST + b"Content-Length:\r\n\r\nab",
    "a Content-Length of 5,000 digits": POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a blank before the colon": POST + b"Content-Length : 2\r\n\r\nab",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "Transfer-Encoding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF between headers": b"GET / HTTP/1.1\r\nX: 1\nHost: a\r\n\r\n",
    "bare CR between headers": b"GET / HTTP/1.1\r\nX: 1\rHost: a\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "a control character in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x1bb\r\n\r\n",
    "DEL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n",
    "a line without a colon": b"GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "letters as chunk size": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "a chunk size of 0x3": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKED + b"f" * 20 + b"\r\nabc\r\n0\r\n\r\n",
    "bare LF after a chunk size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a target without a path": b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes above ASCII in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_ambiguous_requests_are_refused(data: bytes) -> None:
    """400 in OpenAI's shape, the connection closes, and the application sees nothing of it."""
    echo = Echo()
    async with stage(echo) as on:
        assert await on.refused(data) == (400, "bad_request")
        await asyncio.sleep(0)
    assert echo.scopes == []


async def test_bad_chunk_later_never_looks_like_a_whole_upload() -> None:
    """A chunked body that breaks while the application reads it: a disconnect for it, 400 for the client."""
    echo = Echo()
    async with stage(echo) as on:
        client = await on.connect()
        client.send(CHUNKED + b"3\r\nabc\r\n")
        await asyncio.sleep(0.05)
        client.send(b"zz\r\n")
        assert read_refusal(await client.rest()) == (400, "bad_request")
    assert echo.bodies == []
    assert echo.departed == ["/x"]


async def test_refusal_waits_for_the_answer_before_it() -> None:
    """A bad request pipelined behind a good one is refused after the good one's answer, not in the middle of it."""
    async with stage(Echo()) as on:
        client = await on.connect()
        client.send(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\n\r\n" + GET)
        assert await client.answer() == (200, b"/good ")
        assert read_refusal(await client.rest()) == (400, "bad_request")


async def test_trailers_are_dropped() -> None:
    """An Authorization sent as a trailer never shows among the headers that the application sees."""
    echo = Echo()
    async with stage(echo) as on:
        client = await on.connect()
        client.send(CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: Bearer secret\r\nHost: b\r\n\r\n")
        assert await client.answer() == (200, b"/x abc")
        client.send(GET)
        assert await client.answer() == (200, b"/ ")
    assert echo.scopes[0]["headers"] == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]


async def test_connect_is_not_offered() -> None:
    """CONNECT is a 405: the server is no forward proxy."""
    async with stage(Echo()) as on:
        assert await on.refused(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n") == (405, "method_not_allowed")


async def test_next_good_request_is_served() -> None:
    """After a refusal the server answers others as if nothing had happened."""
    async with stage(Echo()) as on:
        await on.refused(AMBIGUOUS["two Hosts"])
        client = await on.connect()
        client.send(GET)
        assert await client.answer() == (200, b"/ ")
