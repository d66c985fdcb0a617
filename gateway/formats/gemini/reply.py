"""Answers for clients of this format: whole, and as a stream of chunks.

Function calls have no pieces here, so a stream keeps them until it ends. The first call of an answer from another
model carries the placeholder that Google documents, because a client sends it back to whatever model comes next.
"""

from collections.abc import Sequence
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import (
    Begin,
    End,
    Event,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    TextDelta,
    ToolBegin,
    ToolDelta,
)
from gateway.formats.gemini.terms import (
    FORMAT,
    UNSIGNED,
    arguments_of,
    event_of,
    finish_of,
    logprobs_result,
    usage_metadata,
)
from gateway.formats.prompt import FormatName, Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """A whole answer."""
    parts = [written for part in reply.parts for written in _parts(part)]
    _sign(parts)
    candidate = _candidate(parts)
    candidate["finishReason"] = finish_of(reply.stop)
    logprobs = [token for part in reply.parts if isinstance(part, Text) for token in part.logprobs or ()]
    if (result := logprobs_result(logprobs)) is not None:
        candidate["logprobsResult"] = result
    return encode(_response(candidate, reply.usage, envelope)).encode()


class StreamWriter:
    """Writes one stream to a client."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._begun: dict[int, ToolBegin] = {}
        self._arguments: dict[int, list[str]] = {}
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        """The chunk that says this; b"" where nothing is to be said yet."""
        match event:
            case Begin():
                self._usage = event.usage
            case TextDelta() if event.text or event.logprobs:
                return self._chunk([{"text": event.text}], event.logprobs)
            case RefusalDelta() if event.text:
                return self._chunk([{"text": event.text}])
            case ReasoningDelta():
                parts = _thought(event.text, event.signature, event.signed_by)
                return self._chunk(parts) if parts else b""
            case ToolBegin():
                self._begun[event.index] = event
            case ToolDelta():
                self._arguments.setdefault(event.index, []).append(event.arguments)
            case End():
                return self._end(event)
        return b""

    def _end(self, end: End) -> bytes:
        parts = [self._call(index, begun) for index, begun in sorted(self._begun.items())]
        _sign(parts)
        candidate = _candidate(parts or [{"text": ""}])
        candidate["finishReason"] = finish_of(end.stop)
        return event_of(_response(candidate, end.usage or self._usage, self._envelope))

    def _call(self, index: int, begun: ToolBegin) -> dict[str, Any]:
        arguments = "".join(self._arguments.get(index, ()))
        return _call(ToolCall(begun.id, begun.name, arguments, begun.signature, begun.signed_by))

    def _chunk(self, parts: list[dict[str, Any]], logprobs: Any = None) -> bytes:
        candidate = _candidate(parts)
        if (result := logprobs_result(logprobs)) is not None:
            candidate["logprobsResult"] = result
        return event_of(_response(candidate, None, self._envelope))


def _candidate(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    return {"content": content, "index": 0}


def _response(candidate: dict[str, Any], usage: Usage | None, envelope: Envelope) -> dict[str, Any]:
    response: dict[str, Any] = {"candidates": [candidate]}
    if usage is not None:
        response["usageMetadata"] = usage_metadata(usage)
    return {**response, "modelVersion": envelope.model, "responseId": envelope.call_id}


def _parts(part: Part) -> list[dict[str, Any]]:
    match part:
        case Text() | Refusal():
            return [{"text": part.text}] if part.text else []
        case Reasoning():
            return _thought(part.text, part.signature, part.signed_by)
        case ToolCall():
            return [_call(part)]
        case Media() if part.data:
            return [{"inlineData": {"mimeType": part.mime, "data": part.data}}]
        case Media() if part.url:
            return [{"fileData": {"mimeType": part.mime, "fileUri": part.url}}]
        case _:
            return []


def _thought(text: str, signature: str, signed_by: FormatName | None) -> list[dict[str, Any]]:
    """A thought; a signature alone stands in an empty part, and one of another format says nothing here."""
    signed = {"thoughtSignature": signature} if signature and signed_by == FORMAT else {}
    if text:
        return [{"text": text, "thought": True, **signed}]
    return [{"text": "", **signed}] if signed else []


def _call(call: ToolCall) -> dict[str, Any]:
    signed = {"thoughtSignature": call.signature} if call.signature and call.signed_by == FORMAT else {}
    return {"functionCall": {"id": call.id, "name": call.name, "args": arguments_of(call.arguments)}, **signed}


def _sign(parts: Sequence[dict[str, Any]]) -> None:
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)
