"""Errors of the Interactions API: as a provider sends them, and as clients expect them.

They have a `code` in words and a message. Google's front end may answer as generateContent does (AIP-193).
"""

import re
from collections.abc import Mapping
from typing import Any

from gateway.errors import Headers, KeyRefused, ProviderError, SerinusError, failure_details
from gateway.formats.denials import denial_inside
from gateway.formats.gemini import errors as google
from gateway.formats.gemini_interactions._terms import PREVIOUS, event_of
from gateway.formats.provider_json import parse_quietly, text_of
from gateway.json_body import encode

_CODES: Mapping[int, str] = {
    400: "invalid_request", 401: "authentication", 402: "payment_required", 403: "permission_denied",
    404: "not_found", 405: "method_not_allowed", 408: "deadline_exceeded", 409: "aborted", 416: "out_of_range",
    429: "rate_limit_exceeded", 499: "cancelled", 500: "api_error", 501: "unimplemented", 502: "service_unavailable",
    503: "service_unavailable", 504: "deadline_exceeded", 529: "service_unavailable",
}  # fmt: skip
_STATUSES: Mapping[str, int] = {
    **{code: status for status, code in _CODES.items()},
    "failed_precondition": 400, "parameter_unknown": 400, "model_not_found": 404, "already_exists": 409,
    "quota_exceeded": 429, "too_many_requests": 429, "gateway_timeout": 504, "service_unavailable": 503,
}  # fmt: skip
_KEPT = frozenset({"model_not_found"})  # codes that Serinus and the API spell alike
_FIELD = re.compile(r"\bat '([A-Za-z_][\w.\[\]]{0,199})'")
# What chat completions, and so versions, call the fields that an error may be about.
_IN_CHAT: Mapping[str, str] = {
    "max_output_tokens": "max_tokens",
    "thinking_level": "reasoning_effort",
    "thinking_summaries": "reasoning",
    "stop_sequences": "stop",
}


def read_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is not 200. Its body reaches the client unless it is about our key."""
    error = google.read_error(status, headers, body)
    if error.kind == "status" and not isinstance(error, KeyRefused):
        error.param = _field(error.message)
    return error


def error_inside(answer: Any) -> ProviderError | None:
    """The error that came with HTTP 200 in place of an answer or inside a stream; None where there is none."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return error_of(error) if isinstance(error, dict) and error else None


def error_of(error: Mapping[str, Any]) -> ProviderError:
    """The error of an `error` object."""
    code, message = text_of(error, "code"), text_of(error, "message")
    if code == "authentication":
        return KeyRefused("error_in_answer", 200)
    said = {"error": {"code": code or "api_error", "message": message or "the interaction failed"}}
    body = encode(said).encode()
    if code == "permission_denied":
        return denial_inside({"error": error}, body)
    found = ProviderError("error_in_answer", said["error"]["message"], upstream_status=200, body=body)
    found.status = _STATUSES.get(code, found.status)
    return found


def write_error(error: SerinusError, call_id: str) -> bytes:
    """The body that tells a client of an error."""
    return encode({"error": _content(error, call_id)}).encode()


def write_error_event(error: SerinusError, call_id: str) -> bytes:
    """The event that ends a broken stream; upstream's own words where it spoke this format."""
    body = error.body if isinstance(error, ProviderError) else None
    theirs = parse_quietly(body) if body is not None else None
    said = theirs.get("error") if isinstance(theirs, dict) else None
    if isinstance(said, dict) and isinstance(said.get("code"), str):
        return event_of("error", {"error": said})
    return event_of("error", {"error": _content(error, call_id)})


def _content(error: SerinusError, call_id: str) -> dict[str, Any]:
    code = _CODES.get(error.status) or ("api_error" if error.status >= 500 else "invalid_request")
    if error.code in _KEPT:
        code = error.code
    found = failure_details(error, call_id)
    details: dict[str, str | int] = {"reason": error.code or error.type, "callId": call_id, **found}
    return {
        "code": code,
        "message": error.client_message,
        "details": [details | {"field": error.param} if error.param else details],
    }


def _field(message: str) -> str | None:
    """The member that an error speaks of, as versions call it."""
    if PREVIOUS in message:
        return PREVIOUS
    found = _FIELD.search(message)
    if found is None:
        return None
    path = found[1].removeprefix("generation_config.")
    return _IN_CHAT.get(path, path)
