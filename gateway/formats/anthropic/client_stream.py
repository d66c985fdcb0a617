"""Write a stream to a client of the Messages API: blocks in order, though calls may come interleaved."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.anthropic import NAME
from gateway.formats.anthropic._shared import stop_reason, usage_members
from gateway.formats.anthropic.client_answer import call_id, skeleton
from gateway.formats.claude.tooling import arguments
from gateway.formats.protocol import Envelope
from gateway.json_body import encode


@dataclass(slots=True)
class _Block:
    """A block and its unsent deltas. `call` is the number of a tool call, `arguments` its text so far."""

    kind: str
    start: dict[str, Any]
    waiting: list[dict[str, Any]] = field(default_factory=list)
    call: int | None = None
    arguments: list[str] = field(default_factory=list)
    followed: bool | None = None

    def may_be_followed(self) -> bool:
        """Return whether another block may follow: of a call, once its arguments are there; of all else, always.

        Looked at once: a call that another follows before its arguments have come ends with the stream.
        """
        if self.followed is None:
            text = "".join(self.arguments)
            self.followed = self.call is None or (bool(text.strip()) and arguments(text) is not None)
        return self.followed


class MessagesWriter:
    """Writer of one stream. The first block is written as it comes; blocks behind an unfinished call are held back."""

    __slots__ = ("_begun", "_blocks", "_called", "_calls", "_envelope", "_index", "_open", "_refused")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._blocks: deque[_Block] = deque()
        self._calls: dict[int, _Block] = {}  # those of the blocks that are calls, by their numbers
        self._open = False
        self._index = 0
        self._begun = False
        self._called = False
        self._refused = False

    def write(self, event: Event) -> bytes:
        """The server-sent events that say this."""
        if isinstance(event, Begin):
            return self._begin(event)
        begun = b"" if self._begun else self._begin(Begin())
        match event:
            case TextDelta():
                self._say(event.text)
            case RefusalDelta():
                self._refused = True
                self._say(event.text)
            case ReasoningDelta():
                self._think(event)
            case ToolBegin():
                self._call(event)
            case ToolDelta():
                self._argue(event)
            case End():
                return begun + self._end(event)
        return begun + self._pump()

    def _begin(self, event: Begin) -> bytes:
        self._begun = True
        message = skeleton(self._envelope, event.id)
        message["usage"] = usage_members(event.usage)
        return _event("message_start", message=message)

    def _say(self, text: str) -> None:
        if text:
            block = self._block("text", {"type": "text", "text": ""})
            block.waiting.append({"type": "text_delta", "text": text})

    def _think(self, event: ReasoningDelta) -> None:
        own = event.signed_by == NAME
        if event.encrypted:
            if own:
                self._blocks.append(_Block("redacted", {"type": "redacted_thinking", "data": event.encrypted}))
            return
        signature = event.signature if own else ""
        if not event.text and not signature:
            return
        block = self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            block.waiting.append({"type": "thinking_delta", "thinking": event.text})
        if signature:
            block.waiting.append({"type": "signature_delta", "signature": signature})
            block.kind = "signed"  # the next thought is another

    def _call(self, event: ToolBegin) -> None:
        self._called = True
        tool_id = call_id(event.id, event.index, self._envelope)
        start = {"type": "tool_use", "id": tool_id, "name": event.name, "input": {}}
        self._calls[event.index] = block = _Block("tool_use", start, call=event.index)
        self._blocks.append(block)

    def _argue(self, event: ToolDelta) -> None:
        block = self._calls.get(event.index)
        if block is not None and event.arguments:
            block.arguments.append(event.arguments)
            block.waiting.append({"type": "input_json_delta", "partial_json": event.arguments})

    def _block(self, kind: str, start: dict[str, Any]) -> _Block:
        """The last block, if it is of that kind, or else a new one."""
        if not self._blocks or self._blocks[-1].kind != kind:
            self._blocks.append(_Block(kind, start))
        return self._blocks[-1]

    def _pump(self, ending: bool = False) -> bytes:
        """Write what can be written by now: all of the first block, and of the next once it is complete."""
        said: list[bytes] = []
        while self._blocks:
            block = self._blocks[0]
            said.append(self._progress(block))
            if not ending and (len(self._blocks) == 1 or not block.may_be_followed()):
                break
            said.append(_event("content_block_stop", index=self._index))
            self._blocks.popleft()
            if block.call is not None:
                self._calls.pop(block.call, None)
            self._open = False
            self._index += 1
        return b"".join(said)

    def _progress(self, block: _Block) -> bytes:
        said = [] if self._open else [_event("content_block_start", index=self._index, content_block=block.start)]
        self._open = True
        said += [_event("content_block_delta", index=self._index, delta=delta) for delta in block.waiting]
        block.waiting.clear()
        return b"".join(said)

    def _end(self, event: End) -> bytes:
        reason = stop_reason(event.stop, event.stop_sequence, self._called, self._refused)
        delta = {"stop_reason": reason, "stop_sequence": event.stop_sequence or None}
        closing = _event("message_delta", delta=delta, usage=usage_members(event.usage))
        return self._pump(ending=True) + closing + _event("message_stop")


def _event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {encode({'type': kind, **members})}\n\n".encode()
