"""Write a whole answer to a client.

The first call of an answer from another model carries the placeholder that Google documents, because a client sends it
back to whatever model comes next.
"""

from collections.abc import Sequence
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import Reply
from gateway.formats.gemini import NAME
from gateway.formats.gemini._terms import UNSIGNED, finish_of, logprobs_result, usage_metadata
from gateway.formats.google.arguments import arguments_of
from gateway.formats.prompt import FormatName, Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """A whole answer."""
    parts = [written for part in reply.parts for written in _parts(part)]
    sign_first(parts)
    candidate = write_candidate(parts)
    candidate["finishReason"] = finish_of(reply.stop)
    logprobs = [token for part in reply.parts if isinstance(part, Text) for token in part.logprobs or ()]
    if (result := logprobs_result(logprobs)) is not None:
        candidate["logprobsResult"] = result
    return encode(write_response(candidate, reply.usage, envelope)).encode()


def write_candidate(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    return {"content": content, "index": 0}


def write_response(candidate: dict[str, Any], usage: Usage | None, envelope: Envelope) -> dict[str, Any]:
    response: dict[str, Any] = {"candidates": [candidate]}
    if usage is not None:
        response["usageMetadata"] = usage_metadata(usage)
    return {**response, "modelVersion": envelope.model, "responseId": envelope.call_id}


def _parts(part: Part) -> list[dict[str, Any]]:
    match part:
        case Text() | Refusal():
            return [{"text": part.text}] if part.text else []
        case Reasoning():
            return write_thought(part.text, part.signature, part.signed_by)
        case ToolCall():
            return [write_call(part)]
        case Media() if part.data:
            return [{"inlineData": {"mimeType": part.mime, "data": part.data}}]
        case Media() if part.url:
            return [{"fileData": {"mimeType": part.mime, "fileUri": part.url}}]
        case _:
            return []


def write_thought(text: str, signature: str, signed_by: FormatName | None) -> list[dict[str, Any]]:
    """A thought; a signature alone stands in an empty part, and one of another format says nothing here."""
    signed = {"thoughtSignature": signature} if signature and signed_by == NAME else {}
    if text:
        return [{"text": text, "thought": True, **signed}]
    return [{"text": "", **signed}] if signed else []


def write_call(call: ToolCall) -> dict[str, Any]:
    signed = {"thoughtSignature": call.signature} if call.signature and call.signed_by == NAME else {}
    return {"functionCall": {"id": call.id, "name": call.name, "args": arguments_of(call.arguments)}, **signed}


def sign_first(parts: Sequence[dict[str, Any]]) -> None:
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)
