"""What an OpenAI-compatible provider said, when it said it all at once: a completion, or an error."""

import json
from typing import Any

import orjson

from gateway.calls import Usage, usage_from
from gateway.errors import Headers, ProviderError

# Statuses that keep their meaning without a readable body; any other unreadable error is a plain 502.
_KEPT_STATUSES = frozenset({429, 503, 529})


def read_answer(body: bytes) -> Usage | None:
    """The usage of a whole chat completion. Raises ProviderError when the body is not one, whatever its status was."""
    answer = parse(body)
    if not isinstance(answer, dict):
        raise ProviderError("malformed", "the provider's answer is not a JSON object")
    if answer.get("error"):
        raise error_inside(answer)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ProviderError("malformed", "the provider's answer has no choices")
    for choice in choices:
        _check_choice(choice, body)
    return usage_from(answer.get("usage"))


def read_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is not 200. Its body reaches the client unless it is about our key."""
    if status in (401, 403):
        return ProviderError(
            "status", "the provider refused the gateway's credentials", upstream_status=status, headers=headers
        )
    if 300 <= status < 400:
        return ProviderError("malformed", f"the provider redirects (HTTP {status}); redirects are not followed")
    answer = _parse_quietly(body)
    if status < 400 or not isinstance(answer, dict) or not answer.get("error"):
        return _unreadable(status, headers)
    error = answer["error"]
    message, param = _text(error, "message"), _text(error, "param")
    return ProviderError(
        "status", message or f"the provider answered HTTP {status}",
        upstream_status=status, headers=headers, body=body, param=param or None,
    )  # fmt: skip


def error_inside(answer: dict[str, Any]) -> ProviderError:
    """The ProviderError of an error object that came with HTTP 200."""
    message = _text(answer["error"], "message") or str(answer["error"])[:200]
    body = json.dumps({"error": answer["error"]}).encode() if isinstance(answer["error"], dict) else None
    return ProviderError("error_in_answer", message, upstream_status=200, body=body)


def check_arguments(arguments: Any, body: bytes | None = None) -> None:
    """Raise ProviderError unless tool-call arguments are JSON; none at all is how some providers write `{}`."""
    if arguments in ("", None):
        return
    try:
        json.loads(arguments)
    except (ValueError, TypeError, RecursionError):
        message = "the model's tool-call arguments are not JSON"
        raise ProviderError("bad_tool_arguments", message, upstream_status=200, body=body) from None


def parse(body: bytes) -> Any:
    """The JSON value of what a provider sent. Raises ProviderError when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = _parse_quietly(body)  # lone surrogates are legal JSON, and orjson refuses them
    if answer is None:
        raise ProviderError("malformed", "the provider's answer is not JSON")
    return answer


def _check_choice(choice: Any, body: bytes) -> None:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise ProviderError("malformed", "a choice of the provider's answer has no message")
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            check_arguments(function.get("arguments"), body)


def _parse_quietly(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _unreadable(status: int, headers: Headers) -> ProviderError:
    message = f"the provider answered HTTP {status} without a readable error"
    error = ProviderError("status", message, upstream_status=status, headers=headers)
    if status not in _KEPT_STATUSES:
        error.status = 502
    return error


def _text(error: Any, name: str) -> str:
    if isinstance(error, str):
        return error if name == "message" else ""
    value = error.get(name) if isinstance(error, dict) else None
    return value if isinstance(value, str) else ""
