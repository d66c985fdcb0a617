"""Write a stream to a client: step after step. Every event names its step, so that calls may come interleaved."""

from dataclasses import dataclass, field
from typing import Any

from gateway.calls import Usage
from gateway.formats import sse
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.gemini_interactions._terms import event_of, usage_members
from gateway.formats.gemini_interactions.client_answer import write_interaction, write_signature
from gateway.formats.protocol import Envelope
from gateway.formats.provider_json import are_json

Json = dict[str, Any]
_DONE = sse.event(b"[DONE]", "done")
_NO_ARGUMENTS = "{}"


@dataclass(slots=True)
class _CallStep:
    """A call whose step is open: the step's number, and the arguments so far."""

    step: int
    arguments: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        text = "".join(self.arguments)
        return bool(text) and are_json(text)


class InteractionWriter:
    """Writer of one stream. Steps are numbered from 0."""

    __slots__ = ("_begun", "_calls", "_envelope", "_kind", "_new_calls", "_step", "_steps", "_usage")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._begun = False
        self._steps = 0
        self._kind = ""  # of the open step, '' for none; calls are apart
        self._step = 0
        self._calls: dict[int, _CallStep] = {}
        self._new_calls: list[int] = []  # since a step was last closed
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        """The server-sent events that say this."""
        begun = b"" if self._begun else self._begin()
        match event:
            case Begin():
                self._usage = event.usage
            case TextDelta() | RefusalDelta() if event.text:
                return begun + self._say("model_output", {"type": "text", "text": event.text})
            case ReasoningDelta():
                return begun + self._think(event)
            case ToolBegin():
                return begun + self._call(event)
            case ToolDelta() if event.arguments and event.index in self._calls:
                return begun + self._argue(self._calls[event.index], event.arguments)
            case End():
                return begun + self._end(event)
        return begun

    def _begin(self) -> bytes:
        self._begun = True
        begun = write_interaction(self._envelope, None)
        update = {"interaction_id": begun["id"], "status": begun["status"]}
        return event_of("interaction.created", {"interaction": begun}) + event_of("interaction.status_update", update)

    def _think(self, event: ReasoningDelta) -> bytes:
        """Write a piece of thought; a signature closes it."""
        said = b""
        if event.text:
            said += self._say("thought", {"type": "thought_summary", "content": {"type": "text", "text": event.text}})
        if signed := write_signature(event.signature, event.signed_by):
            said += self._say("thought", {"type": "thought_signature", **signed}) + self._close()
        return said

    def _say(self, kind: str, delta: Json) -> bytes:
        opened = b""
        if self._kind != kind:
            opened = self._close()
            self._kind, self._step = kind, self._steps
            opened += self._start({"type": kind})
        return opened + _delta(self._step, delta)

    def _call(self, event: ToolBegin) -> bytes:
        closed = self._close()
        self._calls[event.index] = _CallStep(self._steps)
        self._new_calls.append(event.index)
        step = {"type": "function_call", "id": event.id, "name": event.name, "arguments": {}}
        return closed + self._start(step | write_signature(event.signature, event.signed_by))

    def _argue(self, call: _CallStep, arguments: str) -> bytes:
        call.arguments.append(arguments)
        return _delta(call.step, {"type": "arguments_delta", "arguments": arguments})

    def _start(self, step: Json) -> bytes:
        self._steps += 1
        return event_of("step.start", {"index": self._steps - 1, "step": step})

    def _close(self, is_end: bool = False) -> bytes:
        """End the open step, and calls whose arguments are whole; at the end of the stream all of them.

        Each call is looked at once: one that another step follows before it is whole ends with the stream.
        """
        closed = b""
        if self._kind:
            closed = _stop(self._step)
            self._kind = ""
        numbers = tuple(self._calls if is_end else dict.fromkeys(self._new_calls))
        self._new_calls.clear()
        return b"".join([closed, *(self._close_call(n) for n in numbers if is_end or self._calls[n].is_whole)])

    def _close_call(self, number: int) -> bytes:
        call = self._calls.pop(number)
        argued = b"" if call.arguments else self._argue(call, _NO_ARGUMENTS)
        return argued + _stop(call.step)

    def _end(self, end: End) -> bytes:
        closed = self._close(is_end=True)
        interaction = write_interaction(self._envelope, end.stop)
        if (usage := end.usage or self._usage) is not None:
            interaction["usage"] = usage_members(usage)
        return closed + event_of("interaction.completed", {"interaction": interaction}) + _DONE


def _delta(step: int, delta: Json) -> bytes:
    return event_of("step.delta", {"index": step, "delta": delta})


def _stop(step: int) -> bytes:
    return event_of("step.stop", {"index": step})
