"""Signs requests to AWS (Signature Version 4) through botocore, which is wanted for nothing else: `serinus[bedrock]`.

Static keys can be read from the environment here. Everything else that AWS knows (profiles, roles of an instance or of
a pod) is botocore's `Chain`, which may ask the network and so belongs into a thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError, ProviderError
from gateway.net.client import Request
from gateway.redaction import Redactor

if TYPE_CHECKING:
    from botocore.credentials import Credentials as Source

SERVICE = "bedrock"

_TIMESTAMP = "%Y%m%dT%H%M%SZ"
# Beside the host and what signing adds; others may be changed on their way.
_SIGNED = (b"content-type",)


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
            raise _missing() from None
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


def sign(
    request: Request, credentials: Credentials, region: str, now: float, service: str = SERVICE
) -> list[tuple[bytes, bytes]]:
    """The headers that open AWS for exactly this request; `now` is in Unix seconds.

    Raises GatewayError when botocore is not installed.
    """
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as Key
    except ImportError:
        raise _missing() from None
    signed = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers if name in _SIGNED}
    message: Any = AWSRequest(request.method, _url(request), signed, request.body)
    message.context["timestamp"] = datetime.fromtimestamp(now, UTC).strftime(_TIMESTAMP)
    message.headers["X-Amz-Date"] = message.context["timestamp"]
    if credentials.token:
        message.headers["X-Amz-Security-Token"] = credentials.token
    # `add_auth` does these three steps too, but by its own clock.
    auth: Any = SigV4Auth(
        Key(credentials.access_key, credentials.secret_key, credentials.token or None), service, region
    )
    text = auth.string_to_sign(message, auth.canonical_request(message))
    auth._inject_signature_to_request(message, auth.signature(text, message))
    names = ("X-Amz-Date", "X-Amz-Security-Token", "Authorization")
    return [(name.lower().encode(), message.headers[name].encode()) for name in names if name in message.headers]


class ChainSigner:
    """Signs with whatever AWS's own search order finds, which is looked for when first needed."""

    __slots__ = ("_chain", "_known", "_region", "_unix", "redactor")

    def __init__(self, region: str, unix: Callable[[], float] = time) -> None:
        self._region = region
        self._unix = unix
        self._chain: Chain | None = None
        self._known: Credentials | None = None
        self.redactor: Redactor | None = None

    def __call__(self, request: Request) -> list[tuple[bytes, bytes]]:
        """The headers. Raises ProviderError where there are no credentials, so that the next target is tried."""
        try:
            if self._chain is None:
                self._chain = Chain()
            credentials = self._chain.current()
            if credentials != self._known:
                self._known, self.redactor = credentials, Redactor([credentials.secret_key, credentials.token])
            return sign(request, credentials, self._region, self._unix())
        except GatewayError as error:
            raise ProviderError("connect", error.message) from None


def _url(request: Request) -> str:
    origin = request.origin
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{origin.scheme}://{host}:{origin.port}{request.path}"


def _missing() -> GatewayError:
    return GatewayError(
        "requests to Bedrock are signed by botocore, which is not installed: pip install serinus[bedrock]"
    )
