"""Upload sessions of providers, as URLs of ours to which clients send a file's bytes without a key.

A provider's own URL would lead clients past the gateway. Ours carries a token: the session's path at the provider, and
for whom it is, signed. Any replica can read it. The origin is never the token's but the configuration's.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from gateway.errors import Headers, ProviderError
from gateway.formats.endpoint import ProviderEndpoint
from gateway.headers import query_to_provider
from gateway.net.client import Origin

SECONDS = 2 * 3600  # for which a URL is good, from the start of the upload
_MAC_BYTES = 16
_LONGEST_URL = 4096  # of a provider; Google's have 250 characters
_LONGEST_TOKEN = 12_000
_PORTS = {"http": 80, "https": 443}


class UploadSession(NamedTuple):
    """An upload under way: `target` is its path and query at the provider, `ends_at` in Unix seconds."""

    caller: str
    provider: str
    origin: str
    target: str
    ends_at: int


@dataclass(frozen=True, slots=True)
class UploadSide:
    """Rules of an upload's request: its path by the provider's base path, and the provider's headers for the client.

    `provider` keeps the session, '' where it is yet to be chosen.
    """

    path: Callable[[str], str]
    headers: Callable[[ProviderEndpoint, Headers], Headers]
    provider: str = ""


def seal(session: UploadSession, key: bytes) -> str:
    """Return the token of a session."""
    payload = orjson.dumps(list(session))
    return urlsafe_b64encode(_mac(payload, key) + payload).decode().rstrip("=")


def unseal(token: str, now: float, key: bytes) -> UploadSession | None:
    """Return the session of a token; None for a token that was made elsewhere, was changed, or is too old."""
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(payload, key)):
        return None
    session = UploadSession(*orjson.loads(payload))
    return session if now < session.ends_at else None


def target_of(url: bytes, endpoint: ProviderEndpoint) -> str:
    """Return path and query of a session's URL, without credentials.

    Raises ProviderError where it leads anywhere but to the provider's own origin.
    """
    try:
        parts = urlsplit(url.decode("ascii"))
        origin = Origin(parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0))
    except ValueError:
        origin = None
    if origin != endpoint.origin or len(url) > _LONGEST_URL or not parts.path.startswith("/") or parts.username:
        raise ProviderError("malformed", f"{endpoint.name} names no URL of its own to upload to")
    query = query_to_provider(parts.query.encode())
    return f"{parts.path}?{query}" if query else parts.path


def origin_text(origin: Origin) -> str:
    """Return an origin as one text."""
    return f"{origin.scheme}://{origin.host}:{origin.port}"


def _mac(payload: bytes, key: bytes) -> bytes:
    return blake2b(payload, digest_size=_MAC_BYTES, key=key, person=b"upload").digest()
