"""A provider's own list of its models, as its API answers."""

import asyncio

from gateway.errors import Headers, ProviderError
from gateway.formats.endpoint import ProviderEndpoint
from gateway.net.client import Request
from gateway.runtime import Channel

_LONGEST_ANSWER_BYTES = 8 << 20  # the longest, a thousand models with descriptions, take about one
_ACCEPT = ((b"accept", b"application/json"), (b"accept-encoding", b"identity"))


def request_of(endpoint: ProviderEndpoint, headers: Headers, path: str | None = None) -> Request:
    """Return the request for the list, or for another path behind the base path that tells who has a valid key."""
    path = endpoint.api.facts.models_path if path is None else path
    return endpoint.request(f"{endpoint.base_path}{path or ''}", headers, b"", "GET")


async def fetch_models(channel: Channel, seconds: float) -> bytes:
    """Ask for the list, of an API that has one. Raises ProviderError, GatewayError."""
    endpoint = channel.endpoint
    try:
        async with asyncio.timeout(seconds):
            response = await channel.send(request_of(endpoint, _ACCEPT), _LONGEST_ANSWER_BYTES)
            try:
                body = await response.whole(_LONGEST_ANSWER_BYTES)
            finally:
                await response.aclose()
    except TimeoutError:
        raise ProviderError("timeout", f"{endpoint.name} did not list its models within {seconds:.3g} s") from None
    if response.status != 200:
        message = f"{endpoint.name} did not list its models: HTTP {response.status}"
        raise ProviderError("status", message, upstream_status=response.status)
    return body
