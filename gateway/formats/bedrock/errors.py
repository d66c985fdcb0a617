"""Errors of Bedrock: as an answer, and as an exception inside a stream."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.errors import Headers, KeyRefused, ProviderError
from gateway.formats.denials import denial, denial_inside
from gateway.formats.openai_chat.errors import read_error
from gateway.formats.provider_json import parse
from gateway.net.client import header

# What speaks of our credentials, whatever its status. An AccessDeniedException may be about the model.
_DENIED = "AccessDeniedException"
_ABOUT_OUR_KEY = (
    "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException",
    "MissingAuthenticationTokenException", "IncompleteSignatureException", "InvalidClientTokenId",
)  # fmt: skip
# The status of an exception inside a stream; any other stays 502.
_STATUSES: Mapping[str, int] = {
    "validationException": 400,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
    "modelTimeoutException": 504,
}


def provider_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is not 200. Its body reaches the client unless it is about our key."""
    kind = _kind(headers)
    if kind in _ABOUT_OUR_KEY:
        return KeyRefused("status", 403, headers)
    if kind == _DENIED:
        return denial(headers, body)
    return read_error(status, headers, _lowered(body))


def error_inside(kind: str, data: bytes) -> ProviderError:
    """The ProviderError of an exception in a stream that began with HTTP 200."""
    said = _said(data)
    if kind.casefold() == _DENIED.casefold():
        return denial_inside(said, data)
    if kind.casefold() in map(str.casefold, _ABOUT_OUR_KEY):
        return KeyRefused("error_in_answer", 200)
    message = said.get("message") or said.get("originalMessage")
    text = message if isinstance(message, str) and message else f"the provider's stream ended with {kind}"
    error = ProviderError("error_in_answer", text, upstream_status=200)
    error.status = _STATUSES.get(kind, error.status)
    return error


def _kind(headers: Headers) -> str:
    """`ThrottlingException` of `ThrottlingException:http://internal.amazon.com/…`."""
    return (header(headers, b"x-amzn-errortype") or b"").partition(b":")[0].decode("latin-1")


def _lowered(body: bytes) -> bytes:
    """Rename `Message`, as some of AWS's own front ends write it, to `message`."""
    said = _said(body)
    return json.dumps({**said, "message": said["Message"]}).encode() if "Message" in said else body


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = parse(body)
    except ProviderError:
        return {}
    return said if isinstance(said, dict) else {}
