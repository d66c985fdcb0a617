"""Bodies that go out as they come in: whole or not at all, at the peer's pace, and no longer than it listens."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from gateway.errors import CallerError, GatewayError, ProviderError
from gateway.net.client import Origin, Request, Transport, Upload
from gateway.net.client.options import TransportKind
from tests.gateway.net.client.conftest import Make, body_of, failure, fetched, get
from tests.gateway.net.client.raw_server import OK, Peer, Script, serving
from tests.support.waiting import SOON, within

TOO_LARGE = b"HTTP/1.1 413 No\r\ncontent-length: 5\r\n\r\nlarge"
PIECE = b"x" * 65536


class Chunks:
    """The pieces of an upload; `asked` says how many were taken. Waits for ever at the end of an `endless` one."""

    def __init__(self, pieces: Iterable[bytes], *, endless: bool = False, error: Exception | None = None) -> None:
        self._pieces = iter(pieces)
        self._endless = endless
        self._error = error
        self.asked = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        piece = next(self._pieces, None)
        if piece is not None:
            return piece
        if self._error is not None:
            raise self._error
        if self._endless:
            await asyncio.Event().wait()
        raise StopAsyncIteration


def put(origin: Origin, chunks: AsyncIterator[bytes], length: int | None = None) -> Request:
    return Request("POST", origin, "/v1/files", [(b"content-type", b"a/b")], upload=Upload(chunks, length))


def swallowing(seen: bytearray, *, until: bytes | None = None, then: bytes = OK) -> Script:
    """Keeps all that comes, and answers once it ends in `until`."""

    async def script(peer: Peer) -> None:
        while packet := await peer.packet():
            seen.extend(packet)
            if until is not None and seen.endswith(until):
                await peer.send(then)

    return script


async def test_a_length_that_is_known(transport: Transport) -> None:
    """It stands in the head, and the bytes follow as they are; the answer comes back."""
    seen = bytearray()
    async with serving(swallowing(seen, until=b"world")) as server:
        assert await fetched(transport, put(server.origin, Chunks([b"hello ", b"world"]), 11)) == b"hello"
    head, _, body = bytes(seen).partition(b"\r\n\r\n")
    assert body == b"hello world"
    assert head.lower().count(b"content-length: 11") == 1 and b"transfer-encoding" not in head.lower()


async def test_a_length_that_is_not_known(transport: Transport) -> None:
    """Chunked."""
    seen = bytearray()
    async with serving(swallowing(seen, until=b"0\r\n\r\n")) as server:
        assert await fetched(transport, put(server.origin, Chunks([b"hello ", b"world"]))) == b"hello"
    head, _, body = bytes(seen).partition(b"\r\n\r\n")
    assert body == b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"
    assert head.lower().count(b"transfer-encoding: chunked") == 1 and b"content-length" not in head.lower()


async def test_nothing_to_upload(transport: Transport) -> None:
    """An upload may turn out empty."""
    seen = bytearray()
    async with serving(swallowing(seen, until=b"0\r\n\r\n")) as server:
        assert await fetched(transport, put(server.origin, Chunks([]))) == b"hello"


async def test_the_connection_is_good_for_the_next_call(transport: Transport, kind: TransportKind) -> None:
    """After a whole upload the lean transport keeps it; the standard one makes a connection for each."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.answer(OK)

    async with serving(script) as server:
        for _ in range(2):
            assert await fetched(transport, put(server.origin, Chunks([b"ab"]), 2)) == b"hello"
    assert server.connections == {"lean": 1, "standard": 2}[kind]


@pytest.mark.parametrize("reads", [True, False], ids=["a provider that reads", "one that does not"])
@pytest.mark.parametrize("length", [1 << 40, None], ids=["length", "chunked"])
async def test_an_early_answer(transport: Transport, reads: bool, length: int | None) -> None:
    """It is heard while the upload waits for its own next piece, or for the peer to take one; the rest is never
    asked for, and the connection serves nothing else."""
    chunks = Chunks([PIECE] * 3 if reads else [PIECE] * 1000, endless=True)

    async def script(peer: Peer) -> None:
        await peer.head()
        if peer.number > 1:
            await peer.send(OK)
            return
        if not reads:
            await asyncio.sleep(0.1)  # until nothing more goes in
        await peer.send(TOO_LARGE)
        await (peer.gone() if reads else asyncio.sleep(0.2))

    async with serving(script) as server, asyncio.timeout(5):
        response = await transport.send(put(server.origin, chunks, length))
        assert (response.status, await body_of(response)) == (413, b"large")
        assert chunks.asked < 1000
        assert await fetched(transport, get(server.origin)) == b"hello"
        assert server.connections == 2


async def test_an_early_answer_over_tls(transports: Make, tls: ssl.SSLContext, certificate: Path) -> None:
    """Session tickets, which come on their own, are no answer; what follows them is."""
    chunks = Chunks([PIECE] * 2, endless=True)

    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(0.1)
        await peer.send(TOO_LARGE)
        await peer.gone()

    async with serving(script, tls) as server, asyncio.timeout(5):
        transport = transports(ca_file=str(certificate))
        response = await transport.send(put(server.origin, chunks, 1 << 40))
        assert (response.status, await body_of(response)) == (413, b"large")
    assert chunks.asked == 3


@pytest.mark.parametrize("split", [False, True])
async def test_an_interim_answer_is_none(transport: Transport, split: bool) -> None:
    """100 and 103 do not end an upload."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(*([interim[:25], interim[25:]] if split else [interim]))
        seen = b""
        while not seen.endswith(b"0\r\n\r\n"):
            seen += await peer.packet()
        await peer.send(OK)

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.02)
            yield b"ab"

    async with serving(script) as server, asyncio.timeout(5):
        assert await fetched(transport, put(server.origin, slowly())) == b"hello"


@pytest.mark.parametrize("length", [1 << 30, None], ids=["length", "chunked"])
async def test_an_upload_that_fails(transport: Transport, length: int | None) -> None:
    """Its error comes out of `send`, and the peer sees the connection end before the request is whole."""
    seen = bytearray()
    chunks = Chunks([b"abc"], error=CallerError("two models"))
    async with serving(swallowing(seen)) as server, asyncio.timeout(5):
        with pytest.raises(CallerError, match="two models"):
            await transport.send(put(server.origin, chunks, length))
        await server.shrinks_to(0)
    assert b"0\r\n\r\n" not in seen


@pytest.mark.parametrize(("length", "why"), [(2, "longer"), (4, "shorter")])
async def test_an_upload_that_is_not_what_it_was_said_to_be(transport: Transport, length: int, why: str) -> None:
    """Ours to answer for; no whole request arrives."""
    seen = bytearray()
    async with serving(swallowing(seen)) as server, asyncio.timeout(5):
        with pytest.raises(GatewayError, match=why):
            await transport.send(put(server.origin, Chunks([b"abc"]), length))
        await server.shrinks_to(0)


async def test_a_caller_who_leaves(transport: Transport) -> None:
    """Cancelled, the upload's connection is closed at once."""
    seen = bytearray()
    async with serving(swallowing(seen)) as server, asyncio.timeout(5):
        sending = asyncio.create_task(transport.send(put(server.origin, Chunks([b"abc"], endless=True))))
        await within(SOON, lambda: seen.endswith(b"3\r\nabc\r\n"))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await server.shrinks_to(0)
    assert seen.endswith(b"3\r\nabc\r\n")


async def test_a_provider_that_resets(transport: Transport) -> None:
    """In the middle of the upload: lost."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.packet()
        peer.reset()

    async with serving(script) as server, asyncio.timeout(5):
        assert await failure(transport, put(server.origin, Chunks([PIECE] * 3, endless=True))) == "lost"


async def test_a_provider_that_hangs_up(transport: Transport) -> None:
    """The same where it closes in good order."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.close()

    async with serving(script) as server, asyncio.timeout(5):
        assert await failure(transport, put(server.origin, Chunks([PIECE], endless=True))) == "lost"


async def test_a_provider_that_reads_slowly(transport: Transport) -> None:
    """No more is asked for than fits the buffers of two sockets, until it reads on."""
    go, taken = asyncio.Event(), 0
    chunks = Chunks([PIECE] * 400)

    async def script(peer: Peer) -> None:
        nonlocal taken
        await peer.head()
        await go.wait()
        while taken < len(PIECE) * 400:
            taken += len(await peer.packet())
        await peer.send(OK)

    async with serving(script) as server, asyncio.timeout(20):
        sending = asyncio.create_task(fetched(transport, put(server.origin, chunks, len(PIECE) * 400)))
        stuck = -1
        while stuck != chunks.asked:  # the kernel's buffers grow for a while
            stuck = chunks.asked
            await asyncio.sleep(0.2)
        assert stuck < 300
        go.set()
        assert await sending == b"hello"


async def test_closing_ends_uploads(transport: Transport) -> None:
    """A transport that closes ends what is under way."""
    async with serving(swallowing(bytearray())) as server, asyncio.timeout(5):
        sending = asyncio.create_task(transport.send(put(server.origin, Chunks([b"abc"], endless=True))))
        await asyncio.sleep(0.05)
        await transport.aclose()
        with pytest.raises(ProviderError):
            await sending
        await server.shrinks_to(0)
