"""Every test of the upstream seam runs against both transports, and on both event loops."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
import uvloop

from gateway.errors import ProviderError
from gateway.net.client import Origin, Request, Response, Transport
from gateway.net.client.options import TransportKind, TransportOptions
from gateway.net.client.upstreams import transport as make
from tests.support.certificates import self_signed


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Make(Protocol):
    """Makes a transport of the kind under test; it is closed after the test."""

    def __call__(
        self, *, ca_file: str | None = None, max_connections: int = 512, max_idle: int = 64,
        idle_seconds: float = 30.0, connect_timeout_seconds: float = 5.0,
    ) -> Transport: ...  # fmt: skip


@pytest.fixture(params=["lean", "standard"])
def kind(request: pytest.FixtureRequest) -> TransportKind:
    kind: TransportKind = request.param
    return kind


@pytest.fixture
async def transports(kind: TransportKind) -> AsyncIterator[Make]:
    made: list[Transport] = []

    def of(
        *, ca_file: str | None = None, max_connections: int = 512, max_idle: int = 64,
        idle_seconds: float = 30.0, connect_timeout_seconds: float = 5.0,
    ) -> Transport:  # fmt: skip
        options = TransportOptions(
            kind=kind, ca_file=ca_file, connect_timeout_seconds=connect_timeout_seconds,
            max_connections=max_connections, max_idle=max_idle, idle_seconds=idle_seconds,
        )  # fmt: skip
        made.append(make(options))
        return made[-1]

    yield of
    for each in made:
        await each.aclose()


@pytest.fixture
def transport(transports: Make) -> Transport:
    """With the usual options."""
    return transports()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, and its key beside it."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: Path) -> Iterator[ssl.SSLContext]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    yield context


def get(origin: Origin, path: str = "/") -> Request:
    return Request("GET", origin, path, [(b"accept", b"*/*")])


def post(origin: Origin, body: bytes = b"{}") -> Request:
    return Request("POST", origin, "/v1/chat/completions", [(b"content-type", b"application/json")], body)


async def body_of(response: Response) -> bytes:
    return b"".join([chunk async for chunk in response.chunks()])


async def fetched(transport: Transport, request: Request) -> bytes:
    """The body of the answer, read to its end."""
    return await body_of(await transport.send(request))


async def failure(transport: Transport, request: Request) -> str:
    """The kind of the ProviderError that the call ends with, wherever it comes from."""
    with pytest.raises(ProviderError) as caught:
        await fetched(transport, request)
    return caught.value.kind
