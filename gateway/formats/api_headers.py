"""A client's headers that speak of one provider's API: they mean nothing, or something else, to another."""

from gateway.errors import Headers
from gateway.formats.protocol import ProviderSide
from gateway.formats.registry import PROVIDERS

_PREFIXES = {side.facts.header_prefix for side in PROVIDERS.values()} - {b""}
_OF_A_VENDOR = (*_PREFIXES, b"x-stainless-")  # the last are those of generated SDKs
_NO_PREFIX = b" "  # begins no header


def without_others(headers: Headers, provider: ProviderSide) -> list[tuple[bytes, bytes]]:
    """Drop the headers that belong to another provider's API."""
    own = provider.facts.header_prefix or _NO_PREFIX
    return [each for each in headers if not each[0].startswith(_OF_A_VENDOR) or each[0].startswith(own)]


def without_version(headers: Headers, provider: ProviderSide) -> list[tuple[bytes, bytes]]:
    """Drop the client's version of the API: newer ones may refuse the sampling that an agent's version sets."""
    ours = {name for name, _ in provider.facts.default_headers}
    return [each for each in headers if each[0] not in ours]
