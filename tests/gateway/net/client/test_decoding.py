"""Content encodings: undone in bounds, refused by name, or left alone."""

import asyncio
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProviderError
from gateway.net.client import Transport, header
from gateway.net.client.decoding import MAX_RATIO, Inflater, decoded
from tests.gateway.net.client.conftest import body_of, get
from tests.gateway.net.client.raw_server import CHUNKED, OK, Peer, saying, serving

TEXT = b'{"choices":[{"message":{"content":"tweet"}}]}' * 50


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def encoded(encoding: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n%b" % (encoding, len(body), body)


def inflate(encoding: bytes, data: bytes, step: int = 1 << 20, limit: int = 1 << 25) -> bytes:
    inflater = Inflater(encoding, limit)
    starts = range(0, len(data), step)
    out = b"".join(piece for start in starts for piece in inflater.feed(data[start : start + step]))
    inflater.finish()
    return out


async def test_identity_is_the_same_object(transport: Transport) -> None:
    """Without a content encoding, or with `identity`, nothing is wrapped."""
    for head in (OK, encoded(b"identity", b"hello")):
        async with serving(saying(head)) as server:
            response = await transport.send(get(server.origin))
            assert decoded(response) is response
            assert await body_of(response) == b"hello"


async def test_a_gzip_answer_is_left_as_it_is_by_the_transport(transport: Transport) -> None:
    """Decoding is asked for, never done on the way."""
    packed = gzip.compress(TEXT)
    async with serving(saying(encoded(b"gzip", packed))) as server:
        response = await transport.send(get(server.origin))
        assert header(response.headers, b"content-encoding") == b"gzip"
        assert await body_of(response) == packed


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        pytest.param(b"gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param(b"GZIP", gzip.compress(TEXT), id="upper case"),
        pytest.param(b"x-gzip", gzip.compress(TEXT), id="x-gzip"),
        pytest.param(b"gzip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:]), id="gzip of two members"),
        pytest.param(b"deflate", zlib.compress(TEXT), id="deflate"),
        pytest.param(b"deflate", raw_deflate(TEXT), id="deflate without zlib's header"),
    ],
)
async def test_gzip_and_deflate_are_undone(transport: Transport, encoding: bytes, packed: bytes) -> None:
    """The body is what it was, and the headers no longer speak of the encoding; the connection is reused."""
    async with serving(saying(encoded(encoding, packed))) as server:
        for _ in range(2):
            response = decoded(await transport.send(get(server.origin)))
            assert response.status == 200
            assert list(response.headers) == []
            assert await body_of(response) == TEXT
    assert server.connections == 1


async def test_a_gzip_stream_is_decoded_as_it_comes(transport: Transport) -> None:
    """Each flushed event reaches the reader before the next is sent."""
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        packer = zlib.compressobj(wbits=31)
        first = packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
        head = CHUNKED[:-2] + b"content-encoding: gzip\r\n\r\n"
        await peer.answer(head + b"%x\r\n%b\r\n" % (len(first), first))
        await more.wait()
        last = packer.compress(b"data: 2\n\n") + packer.flush()
        await peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last))

    async with serving(script) as server:
        chunks = decoded(await transport.send(get(server.origin))).chunks()
        assert await asyncio.wait_for(anext(chunks), 1) == b"data: 1\n\n"
        more.set()
        assert [chunk async for chunk in chunks] == [b"data: 2\n\n"]


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, br", b"rot13"])
async def test_an_unknown_encoding_is_refused_by_name(transport: Transport, encoding: bytes) -> None:
    """The status stays visible; reading the body is malformed, and closes."""

    async def script(peer: Peer) -> None:
        await peer.answer(encoded(encoding, b"x" * 100)[:-1])
        await peer.gone()

    async with serving(script) as server:
        response = decoded(await transport.send(get(server.origin)))
        assert response.status == 200
        with pytest.raises(ProviderError, match=encoding.decode()) as caught:
            await body_of(response)
        assert caught.value.kind == "malformed"
        await asyncio.wait_for(server.left.wait(), 1)


async def test_a_bomb_is_cut_off(transport: Transport) -> None:
    """50 MB of zeros in 50 kB: malformed after a fraction, and the connection is closed."""
    bomb = gzip.compress(bytes(50 << 20))

    async def script(peer: Peer) -> None:
        await peer.answer(encoded(b"gzip", bomb)[:-1])
        await peer.gone()

    async with serving(script) as server:
        response, size = decoded(await transport.send(get(server.origin))), 0
        with pytest.raises(ProviderError, match=f"more than {MAX_RATIO} times its size") as caught:
            async for chunk in response.chunks():
                size += len(chunk)
        assert caught.value.kind == "malformed"
        assert size < 8 * 2**20
        await asyncio.wait_for(server.left.wait(), 1)


async def test_leaving_a_decoded_answer_closes_the_connection(transport: Transport) -> None:
    """`aclose` goes through to the answer beneath, before and in the body."""
    packed = gzip.compress(TEXT)

    async def script(peer: Peer) -> None:
        await peer.answer(encoded(b"gzip", packed)[:-4])
        await peer.gone()

    async with serving(script) as server:
        response = decoded(await transport.send(get(server.origin)))
        assert await anext(response.chunks())
        await response.aclose()
        await asyncio.wait_for(server.left.wait(), 0.1)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(TEXT)[:-9], id="cut"),
        pytest.param(gzip.compress(TEXT)[:-8] + bytes(8), id="checksum"),
        pytest.param(b"not gzip at all", id="not gzip"),
        pytest.param(gzip.compress(TEXT) + b"x", id="something behind"),
        pytest.param(b"\x1f", id="one byte"),
    ],
)
def test_corrupt_data_is_malformed(packed: bytes) -> None:
    """Cut, a wrong checksum, no gzip, or something behind it."""
    with pytest.raises(ProviderError, match="corrupt") as caught:
        inflate(b"gzip", packed)
    assert caught.value.kind == "malformed"


def test_more_than_the_limit_is_malformed() -> None:
    """The limit counts bytes out; one less passes."""
    packed = gzip.compress(TEXT)
    assert inflate(b"gzip", packed, limit=len(TEXT)) == TEXT
    with pytest.raises(ProviderError, match=f"more than {len(TEXT) - 1} bytes"):
        inflate(b"gzip", packed, limit=len(TEXT) - 1)


def test_an_empty_body_needs_no_encoding() -> None:
    """HEAD and 304 may name an encoding without a body."""
    assert inflate(b"gzip", b"") == b""


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 50), st.sampled_from([b"gzip", b"deflate"]))
def test_cuts_do_not_matter(members: list[bytes], step: int, encoding: bytes) -> None:
    """However the body is cut into chunks, the same bytes come out."""
    text = b"".join(members)
    packed = b"".join(map(gzip.compress, members)) if encoding == b"gzip" else raw_deflate(text)
    assert inflate(encoding, packed, step) == text
