"""Write a stream of chat completions to a client."""

from collections.abc import Mapping
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.openai_chat._reasoning import write_call_signature, write_details
from gateway.formats.openai_chat.client_answer import base, write_stop, write_usage
from gateway.formats.prompt import Reasoning
from gateway.formats.protocol import Envelope
from gateway.json_body import encode

Members = dict[str, Any]
_NO_ARGUMENTS = "{}"  # clients parse the text, and some formats have none for a call without arguments


class ChatWriter:
    """Writer of one stream to a client: the role first, the usage only for clients that asked for it."""

    __slots__ = ("_bare", "_base", "_details", "_envelope", "_refused", "_thought", "_usage")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._base = base(envelope, "chat.completion.chunk")
        self._usage: Members = {"usage": None} if envelope.prompt.wants_usage else {}
        self._thought: list[str] = []
        self._details = 0
        self._bare: dict[int, None] = {}  # calls without arguments so far, in their order
        self._refused = False

    def write(self, event: Event) -> bytes:
        """The chunks that say this. `End` adds the end marker."""
        if not isinstance(event, ReasoningDelta):
            self._thought.clear()
        match event:
            case Begin():
                return self._chunk({"role": "assistant", "content": ""})
            case TextDelta(text, logprobs):
                return self._chunk({"content": text}, logprobs)
            case RefusalDelta(text):
                self._refused = True
                return self._chunk({"refusal": text})
            case ReasoningDelta():
                delta = self._reasoning(event)
                return self._chunk(delta) if delta else b""
            case ToolBegin():
                self._bare[event.index] = None
                return self._chunk({"tool_calls": [_begun(event)]})
            case ToolDelta(index, arguments):
                return self._argue(index, arguments) if arguments else b""
            case End():
                return self._end(event)

    def _argue(self, index: int, arguments: str) -> bytes:
        self._bare.pop(index, None)
        return self._chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})

    def _reasoning(self, event: ReasoningDelta) -> Members:
        """The text as it comes; with what closes the thought it is repeated as one whole detail, to be sent back."""
        delta: Members = {"reasoning_content": event.text} if event.text else {}
        self._thought.append(event.text)
        if event.signature or event.encrypted:
            text = "".join(self._thought)
            self._thought.clear()
            whole = Reasoning(text, event.signature, event.encrypted, event.signed_by, event.id)
            details = write_details([whole], self._details)
            self._details += len(details)
            delta["reasoning_details"] = details
        return delta

    def _end(self, event: End) -> bytes:
        chunk = b"".join([self._argue(index, _NO_ARGUMENTS) for index in tuple(self._bare)])
        chunk += self._chunk({}, finish=write_stop(event.stop, self._refused))
        if self._envelope.prompt.wants_usage:
            chunk += _event({**self._base, "choices": [], "usage": write_usage(event.usage or Usage())})
        return chunk + b"data: [DONE]\n\n"

    def _chunk(self, delta: Members, logprobs: Any = None, finish: str | None = None) -> bytes:
        likely = {"content": logprobs, "refusal": None} if logprobs else None
        choice = {"index": 0, "delta": delta, "logprobs": likely, "finish_reason": finish}
        return _event({**self._base, "choices": [choice], **self._usage})


def _event(chunk: Mapping[str, Any]) -> bytes:
    return f"data: {encode(chunk)}\n\n".encode()


def _begun(event: ToolBegin) -> Members:
    function = {"name": event.name, "arguments": ""}
    signed = write_call_signature(event.signature, event.signed_by)
    return {"index": event.index, "id": event.id, "type": "function", "function": function, **signed}
