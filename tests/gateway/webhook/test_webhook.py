"""Where webhooks may go, and what counts as delivered."""

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import ProviderError
from gateway.net.client import Origin, Request, Response
from gateway.net.client.options import TransportOptions
from gateway.net.client.upstreams import transport
from gateway.webhook.webhook import RefusedAddress, Resolve, Webhook, is_public, origin_of
from tests.support.listening import listening


def webhook(url: str, allow: bool = False) -> Webhook:
    return Webhook(transport(TransportOptions()), url, allow)


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0",  # noqa: S104
        "192.0.0.192", "224.0.0.1", "::1", "::", "fe80::1", "fd00:ec2::254", "fc00::1", "ff02::1",
        "::ffff:169.254.169.254", "::ffff:10.0.0.1", "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::7f00:1", "fec0::1", "2001:0:7f00:1::",
    ],
)  # fmt: skip
async def test_private_addresses_are_refused(ip: str) -> None:
    """Loopback, private, link-local and metadata addresses are refused before anything is sent."""
    assert not is_public(ip)
    host = f"[{ip}]" if ":" in ip else ip
    with pytest.raises(RefusedAddress, match="private address"):
        await webhook(f"http://{host}:9/").post({}, "k")


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(ip: str) -> None:
    """Addresses of the public internet are not."""
    assert is_public(ip)


async def test_host_that_does_not_resolve() -> None:
    """A host that is nowhere is a failed delivery, to be tried again."""
    with pytest.raises(ProviderError, match="cannot resolve"):
        await webhook("http://nowhere.invalid/").post({}, "k")


@pytest.mark.parametrize(("answer", "kind"), [(b"HTTP/1.1 302 X\r\nlocation: /\r\n\r\n", "status"), (b"", "timeout")])
async def test_not_delivered(answer: bytes, kind: str) -> None:
    """A redirect is not followed, and silence is not waited for for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read()  # until the sender has had enough

    async with listening(serve) as port:
        with pytest.raises(ProviderError) as caught:
            await replace(webhook(f"http://127.0.0.1:{port}", allow=True), seconds=0.2).post({}, "k")
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://a.example", (Origin("https", "a.example", 443), "/")),
        ("http://a.example/x?y=z", (Origin("http", "a.example", 80), "/x?y=z")),
        ("http://[::1]:81/", (Origin("http", "::1", 81), "/")),
    ],
)
def test_origin(url: str, wanted: tuple[Origin, str]) -> None:
    """A URL in its two parts: whom to connect to, and what to ask for."""
    assert origin_of(url) == wanted


class _Noting:
    """A transport that notes requests, and answers none."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        raise ProviderError("connect", "noted")

    async def aclose(self) -> None:
        """Close nothing."""


@pytest.mark.parametrize("found", [("8.8.8.8", "127.0.0.1"), ("::1",), ("64:ff9b::7f00:1",)])
async def test_one_private_address_is_enough(found: tuple[str, ...]) -> None:
    """A name that stands at a private address, too, is refused: nothing is sent."""
    noting = _Noting()
    with pytest.raises(RefusedAddress):
        await Webhook(noting, "https://hooks.example/", resolve=_answering([found])).post({}, "k")
    assert noting.requests == []


async def test_a_name_that_moves_in_between() -> None:
    """The connection goes to the addresses that were looked at, whatever the name stands for by then."""
    noting = _Noting()
    with pytest.raises(ProviderError, match="noted"):
        await Webhook(noting, "https://hooks.example/", resolve=_answering([("8.8.8.8",), ("127.0.0.1",)])).post(
            {}, "k"
        )
    assert [tuple(request.addresses) for request in noting.requests] == [("8.8.8.8",)]


async def test_given_addresses_are_connected_to() -> None:
    """The transport asks no resolver about such a request, and tries the next address where one does not answer."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 X\r\n\r\n")

    async with listening(serve) as port:
        lean, origin = transport(TransportOptions()), Origin("http", "nowhere.invalid", port)
        answer = await lean.send(Request("GET", origin, "/", [], addresses=("::1", "127.0.0.1")))
        await lean.aclose()
    assert answer.status == 204 and b"host: nowhere.invalid" in heads[0].lower()


def _answering(answers: list[tuple[str, ...]]) -> Resolve:
    """A resolver whose name stands elsewhere with each question."""
    left = iter(answers)

    async def resolve(_host: str, _port: int) -> tuple[str, ...]:
        return next(left)

    return resolve
