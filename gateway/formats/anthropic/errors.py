"""Errors of the Messages API: as clients get them from us, and as providers send them."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.errors import Headers, KeyRefused, OverLimit, ProviderError, SerinusError, failure_details
from gateway.formats.denials import denial, denial_inside
from gateway.formats.openai_chat.errors import error_inside, read_error
from gateway.formats.prompt import Untranslatable
from gateway.formats.provider_json import parse
from gateway.json_body import encode

# Source: platform.claude.com/docs/en/api/errors
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# The status of an error that came inside an answer; what speaks of our account or has no other stays 502.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_REQUEST_ERRORS = range(400, 500)
_ABOUT_OUR_ACCOUNT = ("authentication_error", "billing_error")
_DENIED = "permission_error"
# A refused request is told as `max_tokens: 9 > 8, …`: the field and what is wrong with it. What the message quotes may
# be the client's, so the field is short, and looked for once.
_FIELD = re.compile(r"(?=[.\w-]{1,200}+: )([a-z_]+(?:\.[a-z_]+)*)")
# What chat completions, and so versions, call such a field.
_IN_CHAT: Mapping[str, str] = {
    "stop_sequences": "stop",
    "output_config.effort": "reasoning_effort",
    "output_config.format": "response_format",
}
_NO_CREDIT = "credit balance is too low"  # told as an invalid request, and none of the client's doing


def error_body(error: SerinusError, call_id: str) -> bytes:
    """Return the error body of this format."""
    kind = _TYPES.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status in _REQUEST_ERRORS else "api_error"
    content: dict[str, Any] = {"type": kind, "message": error.client_message}
    if error.code == Untranslatable.code and error.param == "thread":  # its SDK then goes on without
        content["details"] = {"error_code": "thread_unsupported_request"}
    if found := failure_details(error, call_id):
        content["serinus"] = found
    return encode({"type": "error", "error": content, "request_id": call_id or None}).encode()


def error_event(error: SerinusError, call_id: str) -> bytes:
    """The server-sent event that ends a broken stream."""
    return b"event: error\ndata: " + error_body(error, call_id) + b"\n\n"


def limit_headers(error: OverLimit) -> Headers:
    """Return the headers of the Messages API that tell of a limit: a reset is a time, as RFC 3339 writes it."""
    kind, amount, left, resets_in, resets_at = error.reached
    if kind not in ("requests", "tokens"):
        return ()
    beginning = b"anthropic-ratelimit-" + kind.encode()
    headers = [(beginning + b"-limit", b"%d" % amount), (beginning + b"-remaining", b"%d" % left)]
    if resets_in is not None:
        at = datetime.fromtimestamp(math.ceil(resets_at), UTC).isoformat().replace("+00:00", "Z")
        headers.append((beginning + b"-reset", at.encode()))
    return headers


def provider_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """Return the error of an answer whose status is not 200. An error about our account is a refused key."""
    error = read_error(status, headers, body)
    if error.body is None:
        return error
    kind = _kind(parse(error.body))
    if _NO_CREDIT in error.message or kind in _ABOUT_OUR_ACCOUNT:
        return KeyRefused("status", 403, headers)
    if kind == _DENIED:
        return denial(headers, body)
    if error.upstream_status in _REQUEST_ERRORS and (field := _FIELD.match(error.message)):
        error.param = _IN_CHAT.get(field[1], error.message.partition(": ")[0])
    return error


def raise_error_inside(members: dict[str, Any], body: bytes) -> None:
    """Raise the ProviderError of an error that came as an answer, or as an event of one."""
    if members.get("type") != "error" and not members.get("error"):
        return
    kind = _kind(members)
    if kind == _DENIED:
        raise denial_inside(members, body)
    if kind in _ABOUT_OUR_ACCOUNT:
        members, body = {"error": {"type": "authentication_error"}}, b""
    error = error_inside({**members, "error": members.get("error") or {}}, body)
    error.status = _STATUSES.get(kind, error.status)
    raise error


def _kind(members: Any) -> str:
    content = members.get("error") if isinstance(members, dict) else None
    kind = content.get("type") if isinstance(content, dict) else None
    return kind if isinstance(kind, str) else ""
