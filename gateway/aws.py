"""Credentials of AWS, and what is signed with them (Signature Version 4) beside requests over HTTP.

Static keys are read from the environment. Everything else that AWS knows (profiles, roles of an instance or of a pod)
is botocore's `Chain`, which may ask the network and so belongs into a thread.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from botocore.credentials import Credentials as Source

TIMESTAMP = "%Y%m%dT%H%M%SZ"
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An AWS access key; `token` comes with one that expires."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


class Chain:
    """The credentials that AWS's own search order finds: environment, files, container, instance."""

    __slots__ = ("_source",)

    def __init__(self, profile: str | None = None) -> None:
        """Raise GatewayError when there are none, or no botocore. Blocks."""
        try:
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ImportError:
            raise botocore_is_missing() from None
        try:
            source = Session(profile=profile).get_credentials()
        except BotoCoreError as error:
            raise GatewayError(f"no AWS credentials: {error}") from None
        if source is None:
            raise GatewayError("no AWS credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        self._source: Source = source

    def current(self) -> Credentials:
        """The credentials of now, renewed where they expire soon. Blocks while it renews them."""
        frozen = self._source.get_frozen_credentials()
        return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token or "")


def from_environment(environment: Mapping[str, str]) -> Credentials | None:
    """The credentials of AWS's own variables; None when they are not set."""
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    return Credentials(key, secret, environment.get("AWS_SESSION_TOKEN", "")) if key and secret else None


@dataclass(frozen=True, slots=True)
class Scope:
    """The region and the service that a signature is for."""

    region: str
    service: str


def presign(
    host: str, query: Mapping[str, str], credentials: Credentials, scope: Scope, now: float, seconds: int
) -> str:
    """Return `host/?…`, a GET that is signed in its query and valid for that long from `now`, in Unix seconds.

    After AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
    """
    timestamp = datetime.fromtimestamp(now, UTC).strftime(TIMESTAMP)
    place = f"{timestamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    fields = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{place}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        fields["X-Amz-Security-Token"] = credentials.token
    written = urlencode(sorted(fields.items()), quote_via=quote, safe="-_.~")
    request = f"GET\n/\n{written}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    text = f"{_ALGORITHM}\n{timestamp}\n{place}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in place.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{host}/?{written}&X-Amz-Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"


def botocore_is_missing() -> GatewayError:
    """Return what to say where botocore is needed and not installed."""
    return GatewayError("AWS needs botocore, which is not installed: pip install serinus[bedrock]")
