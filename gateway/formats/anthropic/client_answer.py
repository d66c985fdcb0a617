"""Write a whole answer to a client of the Messages API."""

from typing import Any

from gateway.formats.answer import Reply
from gateway.formats.anthropic import NAME
from gateway.formats.anthropic._shared import stop_reason, usage_members
from gateway.formats.claude.tooling import arguments
from gateway.formats.prompt import Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode

_OWN_IDS = "msg_"


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """The body of the answer."""
    content = [block for index, part in enumerate(reply.parts) for block in _blocks(part, index, envelope)]
    calls = any(isinstance(part, ToolCall) for part in reply.parts)
    refused = any(isinstance(part, Refusal) for part in reply.parts)
    message = skeleton(envelope, reply.id)
    message["content"] = content
    message["stop_reason"] = stop_reason(reply.stop, reply.stop_sequence, calls, refused)
    message["stop_sequence"] = reply.stop_sequence or None
    message["usage"] = usage_members(reply.usage)
    return encode(message).encode()


def skeleton(envelope: Envelope, reply_id: str) -> dict[str, Any]:
    """A message that has said nothing yet."""
    return {
        "id": reply_id if reply_id.startswith(_OWN_IDS) else f"{_OWN_IDS}{envelope.call_id}",
        "type": "message",
        "role": "assistant",
        "model": envelope.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_members(None),
    }


def call_id(said: str, index: int, envelope: Envelope) -> str:
    """The id of a tool call: the provider's, or one of ours where it gave none."""
    return said or f"toolu_{envelope.call_id}_{index}"


def shown(media: Media) -> str:
    """A picture as text: answers of this format hold none."""
    address = media.url or f"data:{media.mime or 'application/octet-stream'};base64,{media.data}"
    return f"![{media.name or media.kind}]({address})"


def _blocks(part: Part, index: int, envelope: Envelope) -> list[dict[str, Any]]:
    match part:
        case Text() | Refusal():
            return [{"type": "text", "text": part.text}] if part.text else []
        case Media():
            return [{"type": "text", "text": shown(part)}]
        case Reasoning():
            return _thought(part)
        case ToolCall():
            value = arguments(part.arguments)
            input_ = {"invalid_json": part.arguments} if value is None else value
            return [{"type": "tool_use", "id": call_id(part.id, index, envelope), "name": part.name, "input": input_}]
    return []


def _thought(thought: Reasoning) -> list[dict[str, Any]]:
    """Another provider's thought has no signature: it is shown, and taken out when the client sends it back."""
    own = thought.signed_by == NAME
    if thought.encrypted:
        return [{"type": "redacted_thinking", "data": thought.encrypted}] if own else []
    signature = thought.signature if own else ""
    if not thought.text and not signature:
        return []
    return [{"type": "thinking", "thinking": thought.text, "signature": signature}]
