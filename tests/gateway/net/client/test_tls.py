"""TLS: verified, always; the system's authorities and those of `ca_file`."""

import asyncio
import ssl
from pathlib import Path

import pytest

from gateway.errors import ProviderError
from gateway.net.client import Origin
from gateway.net.client.options import TransportKind
from tests.gateway.net.client.conftest import Make, failure, fetched, get
from tests.gateway.net.client.raw_server import CHUNKED, OK, Peer, once, saying, serving


async def test_a_certificate_from_our_authority(transports: Make, tls: ssl.SSLContext, certificate: Path) -> None:
    """With `ca_file` the call is served, and the connection is used again."""
    async with serving(saying(OK), tls) as server:
        transport = transports(ca_file=str(certificate))
        for _ in range(3):
            assert await fetched(transport, get(server.origin)) == b"hello"
            await asyncio.sleep(0.01)
    assert server.connections == 1


async def test_a_certificate_that_nobody_vouches_for(transports: Make, tls: ssl.SSLContext) -> None:
    """connect; not a byte of the request goes out."""
    async with serving(saying(OK), tls) as server:
        assert await failure(transports(), get(server.origin)) == "connect"
    assert server.requests == []


async def test_a_certificate_for_another_name(transports: Make, tls: ssl.SSLContext, certificate: Path) -> None:
    """The name is checked: 127.0.0.1 is not localhost."""
    async with serving(saying(OK), tls) as server:
        origin = Origin("https", "127.0.0.1", server.origin.port)
        assert await failure(transports(ca_file=str(certificate)), get(origin)) == "connect"
    assert server.requests == []


async def test_a_plain_server_where_tls_was_expected(transports: Make) -> None:
    """connect."""

    async def script(peer: Peer) -> None:
        await peer.send(b"SSH-2.0-hello\r\n")
        await peer.close()

    async with serving(script) as server:
        origin = Origin("https", "127.0.0.1", server.origin.port)
        assert await failure(transports(), get(origin)) == "connect"


async def test_a_stream_that_breaks_over_tls(transports: Make, tls: ssl.SSLContext, certificate: Path) -> None:
    """A cut is a cut under TLS too."""
    async with serving(once(CHUNKED + b"5\r\nhello\r\n"), tls) as server:
        assert await failure(transports(ca_file=str(certificate)), get(server.origin)) == "truncated"


async def test_an_idle_connection_closed_over_tls(
    transports: Make, kind: TransportKind, tls: ssl.SSLContext, certificate: Path
) -> None:
    """Not used again by `lean`. `standard` may not notice, since its stream has swallowed the close: the call is lost
    then, and no request arrives twice."""
    transport = transports(ca_file=str(certificate))
    async with serving(once(OK), tls) as server:
        for number in range(4):
            try:
                assert await fetched(transport, get(server.origin, f"/{number}")) == b"hello"
            except ProviderError as error:
                assert (kind, error.kind) == ("standard", "lost")
            await asyncio.sleep(0.02)
    assert len({request.split(b" ")[1] for request in server.requests}) == len(server.requests)


async def test_leaving_over_tls(transports: Make, tls: ssl.SSLContext, certificate: Path) -> None:
    """Cancelled, the provider sees the close at once."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    transport = transports(ca_file=str(certificate))
    async with serving(script, tls) as server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transport.send(get(server.origin)), 0.2)
        await asyncio.wait_for(server.left.wait(), 0.1)


async def test_a_ca_file_that_is_not_there(transports: Make) -> None:
    """Said when the transport is made, not at the first call."""
    with pytest.raises(OSError, match=r"No such file"):
        transports(ca_file="/no/such/file.pem")
