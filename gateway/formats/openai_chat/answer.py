"""What an OpenAI-compatible provider said, when it said it all at once: a completion, or an error."""

import json
from typing import Any

import orjson

from gateway.errors import Headers, KeyRefused, ProviderError

# Statuses that keep their meaning without a readable body; any other unreadable error is a plain 502.
_KEPT_STATUSES = frozenset({429, 503, 529})
_ERROR_STATUSES = range(400, 600)
_DEEPEST_PLACE = 20  # names of a path that a server tells
_KEY_CODES = frozenset({"invalid_api_key", "authentication_error"})
MAX_ARGUMENT_CHARACTERS = 1 << 20  # of a call that a model makes: more than it can write


def read_answer(body: bytes) -> dict[str, Any]:
    """A whole chat completion as a value. Raises ProviderError when the body is none, whatever its status was."""
    answer = parse(body)
    if not isinstance(answer, dict):
        raise ProviderError("malformed", "the provider's answer is not a JSON object")
    if answer.get("error"):
        raise error_inside(answer, body)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ProviderError("malformed", "the provider's answer has no choices")
    for choice in choices:
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise ProviderError("malformed", "a choice of the provider's answer has no message")
    return answer


def read_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is not 200. Its body reaches the client unless it is about our key."""
    if status not in _ERROR_STATUSES:
        return ProviderError("malformed", f"the provider answered HTTP {status}; redirects are not followed")
    answer = _parse_quietly(body)
    if status == 403 and _is_moderated(answer):
        return ProviderError(
            "status", "the provider's moderation refused the request", upstream_status=403, headers=headers
        )
    if status in (401, 403) or _is_about_our_key(answer):
        return KeyRefused("status", 403 if status == 403 else 401, headers)
    if not isinstance(answer, dict):
        return _unreadable(status, headers)
    error = answer.get("error") or answer  # some servers put message and code at the top
    message, param = _text(error, "message"), _text(error, "param") or _located(answer)
    return ProviderError(
        "status", message or f"the provider answered HTTP {status}",
        upstream_status=status, headers=headers, body=body, param=param or None,
    )  # fmt: skip


def _is_moderated(answer: Any) -> bool:
    """Whether a 403 is about what the client said: OpenRouter gives its reasons then."""
    error = answer.get("error") if isinstance(answer, dict) else None
    metadata = error.get("metadata") if isinstance(error, dict) else None
    return isinstance(metadata, dict) and ("flagged_input" in metadata or "reasons" in metadata)


def error_inside(answer: dict[str, Any], body: bytes) -> ProviderError:
    """The ProviderError of an error object that came with HTTP 200; `body` is the JSON it was read from."""
    error = answer["error"]
    if _is_about_our_key(answer):
        return KeyRefused("error_in_answer", 200)
    message = _text(error, "message") or "the provider sent an error in place of an answer"
    shown = body if isinstance(error, dict) else None
    return ProviderError("error_in_answer", message, upstream_status=200, body=shown)


def has_good_arguments(answer: dict[str, Any]) -> bool:
    """Whether the arguments of every tool call in a whole answer are JSON."""
    for choice in answer["choices"]:
        calls = choice["message"].get("tool_calls")
        if not calls or not isinstance(calls, list):
            continue
        for call in calls:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and not are_json(function.get("arguments")):
                return False
    return True


def are_json(arguments: object) -> bool:
    """Whether tool-call arguments are JSON; none at all is how some providers write `{}`."""
    if arguments is None or arguments == "":
        return True
    if not isinstance(arguments, str) or len(arguments) > MAX_ARGUMENT_CHARACTERS:
        return False
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True


def bad_arguments(headers: Headers = (), body: bytes | None = None) -> ProviderError:
    """The error of tool-call arguments that are not JSON. It carries the answer, which is all there is."""
    message = "the model's tool-call arguments are not JSON"
    return ProviderError("bad_tool_arguments", message, upstream_status=200, headers=headers, body=body)


def parse(body: bytes) -> Any:
    """The JSON value of what a provider sent. Raises ProviderError when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = _parse_quietly(body)  # lone surrogates are legal JSON, and orjson refuses them
    if answer is None:
        raise ProviderError("malformed", "the provider's answer is not JSON")
    return answer


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


def _is_about_our_key(answer: Any) -> bool:
    """Whether an error speaks of the key that the gateway holds, whatever its status: it may quote it."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return isinstance(error, dict) and not _KEY_CODES.isdisjoint((_text(error, "code"), _text(error, "type")))


def _located(answer: dict[str, Any]) -> str:
    """The field that FastAPI's servers (vLLM, Mistral) name: the first place of `detail`, less the body."""
    told = answer.get("message")
    detail = told.get("detail") if isinstance(told, dict) else answer.get("detail")
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
