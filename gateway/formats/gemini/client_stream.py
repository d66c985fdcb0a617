"""Write a stream of chunks to a client.

Function calls have no pieces in this format, so a stream keeps them until it ends.
"""

from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.gemini._terms import event_of, finish_of, logprobs_result
from gateway.formats.gemini.client_answer import sign_first, write_call, write_candidate, write_response, write_thought
from gateway.formats.prompt import ToolCall
from gateway.formats.protocol import Envelope


class StreamWriter:
    """Writer of one stream to a client."""

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
                parts = write_thought(event.text, event.signature, event.signed_by)
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
        sign_first(parts)
        candidate = write_candidate(parts or [{"text": ""}])
        candidate["finishReason"] = finish_of(end.stop)
        return event_of(write_response(candidate, end.usage or self._usage, self._envelope))

    def _call(self, index: int, begun: ToolBegin) -> dict[str, Any]:
        arguments = "".join(self._arguments.get(index, ()))
        return write_call(ToolCall(begun.id, begun.name, arguments, begun.signature, begun.signed_by))

    def _chunk(self, parts: list[dict[str, Any]], logprobs: Any = None) -> bytes:
        candidate = write_candidate(parts)
        if (result := logprobs_result(logprobs)) is not None:
            candidate["logprobsResult"] = result
        return event_of(write_response(candidate, None, self._envelope))
