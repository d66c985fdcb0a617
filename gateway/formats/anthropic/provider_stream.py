"""Follows a stream of a provider of the Messages API."""

from collections.abc import Callable, Sequence
from typing import Any

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.anthropic import NAME
from gateway.formats.anthropic._shared import usage
from gateway.formats.anthropic.errors import raise_error_inside
from gateway.formats.anthropic.provider_answer import explanation, input_text, needed, stop
from gateway.formats.claude.tooling import OUTPUT_TOOL
from gateway.formats.provider_json import parse_object, text_of

_Members = dict[str, Any]


class MessagesParser:
    """Parser of one stream. The end is reported at `message_stop`, or when a stream with a stop reason ends."""

    __slots__ = ("_begun", "_calls", "_ended", "_handlers", "_input", "_said", "_stopped", "_tools", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._begun = False
        self._said = False
        self._ended = False
        self._stopped: _Members | None = None
        self._calls = 0
        # By the index of its block: the number of a call, None for the one that stands in for an output schema.
        self._tools: dict[int, int | None] = {}
        self._input: dict[int, str] = {}  # arguments that came at once: said unless they come in pieces
        self._handlers: dict[str, Callable[[_Members], list[Event]]] = {
            "message_start": self._start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": lambda _: self._end(),
        }

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one server-sent event; pings and unknown kinds give none."""
        if not data or name == "ping":
            return ()
        members = parse_object(data, "an event of the provider's stream")
        raise_error_inside(members, data)
        handle = self._handlers.get(text_of(members, "type") or name)
        if handle is None or self._ended:
            return ()
        return self._with_begin(handle(members))

    def end(self) -> Sequence[Event]:
        return self._with_begin(self._end()) if self._stopped is not None and not self._ended else ()

    def _with_begin(self, events: list[Event]) -> list[Event]:
        """A stream whose beginning was left out gets one."""
        if not events or self._begun:
            return events
        self._begun = True
        return events if isinstance(events[0], Begin) else [Begin(), *events]

    def _start(self, members: _Members) -> list[Event]:
        if self._begun:
            return []
        message = _part(members, "message")
        self.usage = usage(message.get("usage"))
        return [Begin(text_of(message, "id"), text_of(message, "model"), self.usage)]

    def _block_start(self, members: _Members) -> list[Event]:
        block = _part(members, "content_block")
        match block.get("type"):
            case "text":
                return self._text(text_of(block, "text"))
            case "thinking":
                thought, signature = text_of(block, "thinking"), text_of(block, "signature")
                return [ReasoningDelta(thought, signature, signed_by=NAME)] if thought or signature else []
            case "redacted_thinking":
                return [ReasoningDelta(encrypted=needed(block, "data"), signed_by=NAME)]
            case "tool_use":
                return self._tool_start(_index(members), block)
        return []

    def _tool_start(self, index: int, block: _Members) -> list[Event]:
        name = needed(block, "name")
        self._input[index] = input_text(block)
        if name == OUTPUT_TOOL:
            self._tools[index] = None
            return []
        number = self._tools[index] = self._calls
        self._calls += 1
        return [ToolBegin(number, needed(block, "id"), name)]

    def _block_delta(self, members: _Members) -> list[Event]:
        delta = _part(members, "delta")
        match delta.get("type"):
            case "text_delta":
                return self._text(needed(delta, "text"))
            case "thinking_delta":
                return [ReasoningDelta(needed(delta, "thinking"), signed_by=NAME)]
            case "signature_delta":
                return [ReasoningDelta(signature=needed(delta, "signature"), signed_by=NAME)]
            case "input_json_delta":
                return self._arguments(_index(members), needed(delta, "partial_json"))
        return []

    def _arguments(self, index: int, piece: str) -> list[Event]:
        if not piece or index not in self._tools:  # also the input of tools that the provider runs itself
            return []
        self._input.pop(index, None)
        number = self._tools[index]
        return self._text(piece) if number is None else [ToolDelta(number, piece)]

    def _block_stop(self, members: _Members) -> list[Event]:
        index = _index(members)
        arguments = self._input.pop(index, None)
        return [] if arguments is None else self._arguments(index, arguments)

    def _message_delta(self, members: _Members) -> list[Event]:
        self.usage = usage(members.get("usage"), self.usage)
        delta = _part(members, "delta")
        if text_of(delta, "stop_reason"):
            self._stopped = delta
        return []

    def _text(self, said: str) -> list[Event]:
        if not said:
            return []
        self._said = True
        return [TextDelta(said)]

    def _end(self) -> list[Event]:
        if self._stopped is None:
            raise ProviderError("malformed", "the provider's stream gave no stop reason")
        self._ended = True
        reason = self._stopped.get("stop_reason")
        events: list[Event] = []
        if reason == "refusal" and not self._said and not self._calls:
            events.append(RefusalDelta(explanation(self._stopped)))
        events.append(End(stop(reason, self._calls > 0), self.usage, text_of(self._stopped, "stop_sequence")))
        return events


def _part(members: _Members, name: str) -> _Members:
    value = members.get(name)
    if not isinstance(value, dict):
        raise ProviderError("malformed", f"an event of the provider's stream has no {name}")
    return value


def _index(members: _Members) -> int:
    value = members.get("index")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProviderError("malformed", "an event of the provider's stream has no index")
    return value
