"""Which provider gets which transport."""

import pytest

from gateway.errors import GatewayError, ProviderError
from gateway.net.client import Request
from gateway.net.client.lean import LeanTransport
from gateway.net.client.options import TransportOptions
from gateway.net.client.standard import StandardTransport
from gateway.net.client.upstreams import Upstreams
from tests.gateway.net.client.conftest import fetched, get
from tests.gateway.net.client.raw_server import OK, Peer, once, saying, serving


async def test_each_provider_gets_the_kind_it_asked_for() -> None:
    """lean unless said otherwise; equal options share a transport."""
    standard = TransportOptions(kind="standard")
    upstreams = Upstreams({"openai": TransportOptions(), "house": TransportOptions(), "odd": standard})
    assert isinstance(upstreams.of("openai"), LeanTransport)
    assert isinstance(upstreams.of("odd"), StandardTransport)
    assert upstreams.of("house") is upstreams.of("openai")
    with pytest.raises(KeyError):
        upstreams.of("nobody")
    await upstreams.aclose()


async def test_closing_closes_all() -> None:
    """After `aclose` every transport refuses."""
    upstreams = Upstreams({"a": TransportOptions(), "b": TransportOptions(kind="standard")})
    async with serving(saying(OK)) as server:
        for name in ("a", "b"):
            assert await fetched(upstreams.of(name), get(server.origin)) == b"hello"
        await upstreams.aclose()
        for name in ("a", "b"):
            with pytest.raises(ProviderError, match="closed"):
                await upstreams.of(name).send(get(server.origin))


async def test_a_proxy_is_asked_for_the_whole_address() -> None:
    """Plain http goes to the proxy with an absolute target."""

    async def proxy(peer: Peer) -> None:
        await peer.answer(OK)

    async with serving(proxy) as server:
        upstreams = Upstreams({"p": TransportOptions(kind="standard", proxy=f"http://127.0.0.1:{server.origin.port}")})
        request = get(server.origin, "/v1/a%2Fb?q=1")
        assert await fetched(upstreams.of("p"), request) == b"hello"
        await upstreams.aclose()
    assert server.requests[0].startswith(b"GET http://127.0.0.1:%d/v1/a%%2Fb?q=1 HTTP/1.1" % server.origin.port)


@pytest.mark.parametrize("kind", ["lean", "standard"])
async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """HTTP_PROXY changes nothing about where a call goes."""
    async with serving(once(OK)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        upstreams = Upstreams({"p": TransportOptions(kind="lean" if kind == "lean" else "standard")})
        assert await fetched(upstreams.of("p"), get(server.origin)) == b"hello"
        await upstreams.aclose()


@pytest.mark.parametrize(
    "given", [{"proxy": "http://x"}, {"http2": True}, {"max_connections": 0}, {"max_idle": -1}], ids=str
)
def test_options_that_make_no_sense(given: dict[str, object]) -> None:
    """Said at once, by name."""
    with pytest.raises(ValueError, match=next(iter(given))):
        TransportOptions(**given)  # type: ignore[arg-type]


def test_http2_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said when the transports are made, not at the first call."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match="package h2"):
        Upstreams({"p": TransportOptions(kind="standard", http2=True)})


async def test_a_header_name_that_is_none() -> None:
    """What httpx2 refuses to send is our failure, not the provider's."""
    upstreams = Upstreams({"p": TransportOptions(kind="standard")})
    async with serving(saying(OK)) as server:
        with pytest.raises(GatewayError, match="cannot be sent"):
            await upstreams.of("p").send(Request("GET", server.origin, "/", [(b"bad name", b"v")]))
    assert server.requests == []
    await upstreams.aclose()
