"""Recorded texts of a call as the GenAI conventions write messages in attributes: JSON of roles and parts."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from gateway.contents.content import CallContent, ContentMessage, ContentPart

_FINISHES = {"tool_calls": "tool_call", "tool_use": "tool_call", "end_turn": "stop", "STOP": "stop", "": "stop"}
_UNFINISHED = "error"
_Json = dict[str, Any]


def input_messages(content: CallContent) -> str:
    """Return what the client asked, as `gen_ai.input.messages`."""
    return orjson.dumps(list(map(_message, content.messages))).decode()


def output_messages(content: CallContent, finish: str) -> str:
    """Return what was answered, as `gen_ai.output.messages`; '' where the client got no answer."""
    if content.answer is None:
        return ""
    reason = _FINISHES.get(finish, finish) if content.complete else _UNFINISHED
    return orjson.dumps([{**_message(content.answer), "finish_reason": reason}]).decode()


def _message(message: ContentMessage) -> _Json:
    return {"role": message.role, "parts": list(map(_part, message.parts))}


def _part(part: ContentPart) -> Mapping[str, Any]:
    if part.kind == "tool_call":
        return {"type": "tool_call", "id": part.id or None, "name": part.name, "arguments": _arguments(part.text)}
    if part.kind == "tool_result":
        return {"type": "tool_call_response", "id": part.id or None, "response": part.text}
    return {"type": "text" if part.kind == "refusal" else part.kind, "content": part.text}


def _arguments(text: str) -> Any:
    """Return arguments as the value that they are, where they are JSON."""
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(text)
    return text
