"""Signatures of requests to AWS (Signature Version 4) through botocore, which `serinus[bedrock]` brings."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import time
from typing import Any

from gateway.aws import TIMESTAMP, Chain, Credentials, botocore_is_missing
from gateway.errors import GatewayError, ProviderError
from gateway.net.client import Request
from gateway.redaction import Redactor

SERVICE = "bedrock"

# Beside the host and what signing adds; others may be changed on their way.
_SIGNED = (b"content-type",)


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
        raise botocore_is_missing() from None
    signed = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers if name in _SIGNED}
    message: Any = AWSRequest(request.method, _url(request), signed, request.body)
    message.context["timestamp"] = datetime.fromtimestamp(now, UTC).strftime(TIMESTAMP)
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
