"""Errors of chat completions: as a provider sends them, and as a client gets them."""

from typing import Any

from gateway.errors import Headers, KeyRefused, ProviderError, SerinusError, failure_details
from gateway.formats import sse
from gateway.formats.denials import denial, denial_inside
from gateway.formats.ends import check_end
from gateway.formats.provider_errors import ERROR_STATUSES, no_error, unreadable
from gateway.formats.provider_json import parse_quietly
from gateway.json_body import NotJson, encode

_DEEPEST_PLACE = 20  # names of a path that a server tells
ERROR_SHAPE = "OpenAI's"
_FORBIDDEN = (403, "403")
_KEY_CODES = frozenset({"invalid_api_key", "authentication_error"})


def read_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is not 200. Its body reaches the client unless it is about our key."""
    if status not in ERROR_STATUSES:
        return no_error(status)
    answer = parse_quietly(body)
    if status == 403:
        return denial(headers, body)
    if status == 401 or _is_about_our_key(answer):
        return KeyRefused("status", 401, headers)
    if not isinstance(answer, dict):
        return unreadable(status, headers)
    error = answer.get("error") or answer  # some servers put message and code at the top
    message, param = _text(error, "message"), _text(error, "param") or _located(answer)
    return ProviderError(
        "status", message or f"the provider answered HTTP {status}",
        upstream_status=status, headers=headers, body=body, param=param or None,
    )  # fmt: skip


def error_inside(answer: dict[str, Any], body: bytes) -> ProviderError:
    """The ProviderError of an error object that came with HTTP 200; `body` is the JSON it was read from."""
    error = answer["error"]
    if _is_about_our_key(answer):
        return KeyRefused("error_in_answer", 200)
    if isinstance(error, dict) and error.get("code") in _FORBIDDEN:
        return denial_inside(answer, body)
    message = _text(error, "message") or "the provider sent an error in place of an answer"
    shown = body if isinstance(error, dict) else None
    return ProviderError("error_in_answer", message, upstream_status=200, body=shown)


def check_choice(choice: dict[str, Any]) -> None:
    """Raise ProviderError for a choice with an error in it (OpenRouter), and for one that was interrupted."""
    if choice.get("error"):
        inside = {"error": choice["error"]}
        try:
            body = encode(inside).encode()
        except NotJson:
            raise ProviderError("malformed", "the provider's error is nested too deeply") from None
        raise error_inside(inside, body)
    check_end(choice.get("finish_reason"))


def _is_about_our_key(answer: Any) -> bool:
    """Return whether an error speaks of the key that the gateway holds, whatever its status: it may quote it."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return isinstance(error, dict) and not _KEY_CODES.isdisjoint((_text(error, "code"), _text(error, "type")))


def _located(answer: dict[str, Any]) -> str:
    """The field that FastAPI's servers (vLLM, Mistral) name: the first place of `detail`, less the body."""
    content = answer.get("message")
    detail = content.get("detail") if isinstance(content, dict) else answer.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    place = first.get("loc") if isinstance(first, dict) else None
    names = (
        [str(name) for name in place[:_DEEPEST_PLACE] if isinstance(name, str | int)] if isinstance(place, list) else []
    )
    return ".".join(names[1:] if names[:1] == ["body"] else names)


def _text(error: Any, name: str) -> str:
    if isinstance(error, str):
        return error if name == "message" else ""
    value = error.get(name) if isinstance(error, dict) else None
    return value if isinstance(value, str) else ""


def error_body(error: SerinusError, call_id: str = "") -> bytes:
    """OpenAI's error body in our own words, with who failed."""
    content: dict[str, Any] = {
        "message": error.client_message, "type": error.type, "param": error.param, "code": error.code,
    }  # fmt: skip
    if details := failure_details(error, call_id):
        content["serinus"] = details
    return encode({"error": content}).encode()


def error_event(error: SerinusError, call_id: str = "") -> bytes:
    """The server-sent event that tells of an error inside a stream: the provider's own words where it has some."""
    own = error.body if isinstance(error, ProviderError) else None
    return sse.event(error_body(error, call_id) if own is None else own)
