"""Webhooks: one JSON POST with an idempotency key, to an address that the configuration allows."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from urllib.parse import urlsplit

from gateway.errors import GatewayError, ProviderError
from gateway.json_body import encode
from gateway.net.client import Origin, Request, Transport
from gateway.timings import USUAL
from gateway.webhook.signature import signed

_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out of IPv6's public internet
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_METADATA = "192.0.0.192"  # Oracle's; the other clouds have theirs at addresses that are not global


Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Return the host's addresses, in the resolver's order. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))


class RefusedAddress(GatewayError):
    """The webhook's host is not an address of the public internet."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Receiver of notices. `allow_private` lets private, loopback, link-local and metadata addresses through.

    The addresses that were looked at are those that are connected to: a name that is pointed elsewhere in between leads
    nowhere. With a `secret` each delivery is signed (`gateway.webhook.signature`); `unix` tells the time in Unix
    seconds. `seconds` is the time limit of one delivery.
    """

    transport: Transport
    url: str
    allow_private: bool = False
    secret: bytes | None = None
    unix: Callable[[], float] = time
    seconds: float = USUAL.delivery
    resolve: Resolve = resolve_host

    async def post(self, payload: Mapping[str, object], key: str) -> None:
        """Deliver once. Raises ProviderError or RefusedAddress when it was not taken with a 2xx in time."""
        origin, path = origin_of(self.url)
        addresses = () if self.allow_private else await self._public_addresses(origin)
        body = encode(payload).encode()
        headers = [(b"content-type", b"application/json"), (b"idempotency-key", key.encode())]
        if self.secret is not None:
            headers += signed(self.secret, body, self.unix())
        try:
            async with asyncio.timeout(self.seconds):
                response = await self.transport.send(Request("POST", origin, path, headers, body, addresses=addresses))
                await response.aclose()
        except TimeoutError:
            raise ProviderError("timeout", f"the webhook did not answer within {self.seconds:g} s") from None
        if not 200 <= response.status < 300:
            raise ProviderError("status", f"the webhook answered {response.status}", upstream_status=response.status)

    async def _public_addresses(self, origin: Origin) -> Sequence[str]:
        """Return where the host stands. Raises ProviderError, RefusedAddress."""
        try:
            found = await self.resolve(origin.host, origin.port)
        except OSError as error:
            raise ProviderError("connect", f"cannot resolve the webhook's host {origin.host!r}: {error}") from None
        for ip in found:
            if not is_public(ip):
                raise RefusedAddress(f"the webhook's host {origin.host!r} stands at the private address {ip}")
        return found


def origin_of(url: str) -> tuple[Origin, str]:
    """The origin of an http or https URL, and its path with the query."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = parts.path or "/"
    return Origin(parts.scheme, parts.hostname or "", port), f"{path}?{parts.query}" if parts.query else path


def is_public(ip: str) -> bool:
    """Return whether the address is one of the public internet; metadata services of clouds are not. IPv4 inside IPv6
    is judged as the IPv4 address it leads to."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is None:
            return address in _UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast and str(address) != _METADATA


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to: mapped, 6to4, or by a NAT64 (RFC 6052, 2.1)."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
