"""Errors of the Responses API: as a provider sends them, and as a client gets them inside a stream."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import Headers, ProviderError, SerinusError, failure_details
from gateway.formats import sse
from gateway.formats.openai_chat.errors import read_error
from gateway.json_body import encode

# How far a stream has come is not known where it breaks, and nothing may come behind its error.
_LAST_NUMBER = (1 << 31) - 1
# What chat completions, and so versions, call the fields that an error may be about.
_IN_CHAT: Mapping[str, str] = {
    "max_output_tokens": "max_tokens",
    "reasoning": "reasoning_effort",
    "reasoning.effort": "reasoning_effort",
    "text.format": "response_format",
    "text.verbosity": "verbosity",
}


def error_event(error: SerinusError, call_id: str) -> bytes:
    """An `error` event both as the API documents it and as it sends it, which is what makes SDKs raise."""
    content: dict[str, Any] = {
        "message": error.client_message, "type": error.type, "param": error.param, "code": error.code,
    }  # fmt: skip
    if details := failure_details(error, call_id):
        content["serinus"] = details
    flat = {"code": error.code, "message": error.client_message, "param": error.param}
    event = {"type": "error", "sequence_number": _LAST_NUMBER, **flat, "error": content}
    return sse.event(encode(event).encode(), "error")


def provider_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """Errors look as those of chat completions do, and name fields of this format."""
    error = read_error(status, headers, body)
    error.param = _IN_CHAT.get(error.param or "", error.param)
    return error
