"""Google's error objects: as a provider sends them, and as clients of this format expect them (AIP-193)."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import Headers, KeyRefused, OverLimit, ProviderError, SerinusError, failure_details
from gateway.formats.denials import denial, denial_inside, is_about_region
from gateway.formats.gemini._terms import event_of
from gateway.formats.provider_errors import ERROR_STATUSES, no_error, unreadable
from gateway.formats.provider_json import dicts, parse_quietly, text_of
from gateway.json_body import encode

_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_EXPIRED", "ACCESS_TOKEN_EXPIRED"})
_NAMES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED", 409: "ABORTED", 412: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED", 529: "UNAVAILABLE",
}  # fmt: skip
# google.rpc.Code: the HTTP status of each name, where the error does not give it.
_STATUSES: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ABORTED": 409, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499, "INTERNAL": 500, "UNKNOWN": 500, "DATA_LOSS": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}  # fmt: skip


def read_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is not 200. Its body reaches the client unless it is about our key."""
    if status not in ERROR_STATUSES:
        return no_error(status)
    answer = parse_quietly(body)
    error = _error_of(answer)
    if status == 401 or _is_about_our_key(error):
        return KeyRefused("status", 403 if status == 403 else 401, headers)
    if status == 403:
        return denial(headers, body)
    if is_about_region(answer):  # told with 400
        return KeyRefused("status", 403, headers, reason="region")
    if error is None:
        return unreadable(status, headers)
    message = text_of(error, "message") or f"the provider answered HTTP {status}"
    return ProviderError("status", message, upstream_status=status, headers=headers, body=body)


def error_inside(answer: Any, body: bytes) -> ProviderError | None:
    """The error that came with HTTP 200 in place of an answer or inside a stream; None where there is none."""
    if (error := _error_of(answer)) is None:
        return None
    status = _status_of(error)
    if status == 401 or _is_about_our_key(error):
        return KeyRefused("error_in_answer", 200)
    if status == 403:
        return denial_inside(answer, body)
    if is_about_region(answer):
        return KeyRefused("error_in_answer", 200, reason="region")
    message = text_of(error, "message") or "the provider sent an error in place of an answer"
    found = ProviderError("error_in_answer", message, upstream_status=200, body=body)
    found.status = status or found.status
    return found


def write_error(error: SerinusError, call_id: str) -> bytes:
    """The body that tells a client of an error."""
    return encode(_error_content(error, call_id)).encode()


def write_error_event(error: SerinusError, call_id: str) -> bytes:
    """The event that ends a broken stream; upstream's own words where it spoke this format."""
    body = error.body if isinstance(error, ProviderError) else None
    theirs = parse_quietly(body) if body is not None else None
    if isinstance(theirs, dict) and isinstance(theirs.get("error"), dict) and "status" in theirs["error"]:
        return event_of(theirs)
    return event_of(_error_content(error, call_id))


def _error_content(error: SerinusError, call_id: str) -> dict[str, Any]:
    name = _NAMES.get(error.status) or ("INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT")
    metadata = {"callId": call_id} | ({"field": error.param} if error.param else {})
    metadata |= {_camel(name): str(value) for name, value in failure_details(error, call_id).items()}
    reason = (error.code or error.type).upper()
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "serinus"}
    details = [{**info, "metadata": metadata}]
    if isinstance(error, OverLimit) and error.reached.resets_in is not None and not error.is_budget:
        retry = f"{error.reached.resets_in:.3f}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry})
    return {"error": {"code": error.status, "message": error.client_message, "status": name, "details": details}}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _error_of(answer: Any) -> dict[str, Any] | None:
    """The error object, also where a stream that is no event stream wraps it in a list."""
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) and error else None


def _is_about_our_key(error: dict[str, Any] | None) -> bool:
    """Google says 400 of a key that is not valid, and may quote it."""
    reasons = [text_of(detail, "reason") for detail in dicts((error or {}).get("details"))]
    return not _KEY_REASONS.isdisjoint(reasons) or "API key not valid" in text_of(error or {}, "message")


def _status_of(error: dict[str, Any]) -> int | None:
    code = error.get("code")
    if isinstance(code, int) and not isinstance(code, bool) and code in ERROR_STATUSES:
        return code
    return _STATUSES.get(text_of(error, "status"))
