"""Follow a provider's stream. Each event names its step by a number.

`interaction.completed` says how the answer ended; it is whole with the `[DONE]` behind it, or with the end of the
stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.calls import Usage
from gateway.errors import CallerError, ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.denials import BLOCKED_CODES
from gateway.formats.gemini_interactions import NAME
from gateway.formats.gemini_interactions._terms import usage_of
from gateway.formats.gemini_interactions.errors import error_of
from gateway.formats.gemini_interactions.provider_answer import object_in, read_call, read_step, stop_in
from gateway.formats.prompt import Reasoning, Text, ToolCall
from gateway.formats.provider_json import dicts, parse, text_of
from gateway.json_body import encode

_DONE = b"[DONE]"
_NO_ARGUMENTS = "{}"


@dataclass(slots=True)
class _StartedCall:
    """A call under way: its number among calls, the arguments that it began with, and whether more have come."""

    number: int
    first: str
    has_more: bool = False


class InteractionParser:
    """Parser of one stream. `usage` is the provider's latest usage report."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._begun = False
        self._said = False
        self._has_thought = False
        self._has_signature = False
        self._calls: dict[object, _StartedCall] = {}  # by the number of their step
        self._called = 0
        self._end: End | None = None
        self._is_over = False

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one server-sent event. Raises ProviderError for an error, and for a malformed event."""
        data = data.strip()
        if data == _DONE:
            return self.end()
        if not data or self._is_over:
            return ()
        event = parse(data)
        if not isinstance(event, dict):
            raise ProviderError("malformed", "an event of the provider's stream is not a JSON object")
        kind = text_of(event, "event_type") or name
        if kind == "error":
            return self._fail(event)
        return tuple(self._events(kind, object_in(event)))

    def end(self) -> Sequence[Event]:
        """The end of the answer, once it is known."""
        end, self._end = self._end, None
        if end is None:
            return ()
        self._is_over = True
        return (*self._finish_calls(), End(end.stop, end.usage))

    def _events(self, kind: str, event: Mapping[str, Any]) -> Iterator[Event]:
        match kind:
            case "interaction.created":
                interaction = _object(event, "interaction")
                if not self._begun:
                    self._begun = True
                    yield Begin(text_of(interaction, "id"), text_of(interaction, "model"))
            case "interaction.status_update":
                self._count(event.get("usage"))
            case "step.start":
                yield from self._start(event.get("index"), _object(event, "step"))
            case "step.delta":
                metadata = event.get("metadata")
                self._count(metadata.get("total_usage") if isinstance(metadata, dict) else None)
                yield from self._delta(event.get("index"), _object(event, "delta"))
            case "step.stop":
                self._count(event.get("usage"))
                yield from self._finish(_key(event.get("index")))
            case "interaction.completed":
                yield from self._complete(_object(event, "interaction"))

    def _start(self, index: object, step: Mapping[str, Any]) -> Iterator[Event]:
        if text_of(step, "type") == "function_call":
            call = read_call(step)
            self._calls[_key(index)] = _StartedCall(self._called, call.arguments)
            yield from self._begin_call(call)
            return
        yield from self._parts(step)

    def _begin_call(self, call: ToolCall) -> Iterator[Event]:
        self._said = True
        yield ToolBegin(self._called, call.id, call.name, call.signature, call.signed_by)
        self._called += 1

    def _parts(self, step: Mapping[str, Any]) -> Iterator[Event]:
        """The content that a step has at its beginning, or whole. Media have no place in a stream of other formats."""
        for part in read_step(step):
            match part:
                case Text():
                    yield self._text(part.text)
                case Reasoning():
                    yield self._thought(part.text, part.signature)
                case ToolCall():
                    yield from self._begin_call(part)
                    yield ToolDelta(self._called - 1, part.arguments)
                case _:
                    self._said = True

    def _delta(self, index: object, delta: Mapping[str, Any]) -> Iterator[Event]:
        match text_of(delta, "type"):
            case "text":
                yield self._text(text_of(delta, "text"))
            case "thought_summary":
                content = delta.get("content")
                yield self._thought(text_of(content, "text") if isinstance(content, dict) else "", "")
            case "thought_signature":
                yield self._thought("", text_of(delta, "signature"))
            case "arguments_delta" | "arguments":
                yield self._argue(index, delta.get("arguments"))
            case "image" | "audio" | "video" | "document":
                self._said = True

    def _argue(self, index: object, arguments: object) -> ToolDelta:
        call = self._calls.get(_key(index))
        if call is None:
            raise ProviderError("malformed", "the provider's stream has arguments of no function call")
        call.has_more = True
        if isinstance(arguments, dict):
            try:
                arguments = encode(arguments)
            except CallerError:
                raise ProviderError("malformed", "arguments in the provider's stream are nested too deeply") from None
        return ToolDelta(call.number, arguments if isinstance(arguments, str) else "")

    def _text(self, text: str) -> TextDelta:
        self._said = True
        return TextDelta(text)

    def _thought(self, text: str, signature: str) -> ReasoningDelta:
        self._has_thought = self._has_thought or bool(text)
        self._has_signature = self._has_signature or bool(signature)
        return ReasoningDelta(text, signature, signed_by=NAME if signature else None)

    def _finish(self, index: object) -> Iterator[Event]:
        call = self._calls.pop(index, None)
        if call is not None and not call.has_more:
            yield ToolDelta(call.number, call.first)

    def _finish_calls(self) -> Iterator[Event]:
        for index in tuple(self._calls):
            yield from self._finish(index)

    def _complete(self, interaction: Mapping[str, Any]) -> Iterator[Event]:
        if not self._said:
            yield from self._rest(interaction)
        self._count(interaction.get("usage"), interaction.get("service_tier"))
        self._end = End(stop_in(interaction, self._called > 0, self._said), self.usage)

    def _rest(self, interaction: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the whole interaction's content, without thoughts and signatures that have streamed."""
        has_thought, has_signature = self._has_thought, self._has_signature
        for event in (each for step in dicts(interaction.get("steps")) for each in self._parts(step)):
            if not isinstance(event, ReasoningDelta):
                yield event
                continue
            text, signature = "" if has_thought else event.text, "" if has_signature else event.signature
            if text or signature:
                yield self._thought(text, signature)

    def _fail(self, event: Mapping[str, Any]) -> Sequence[Event]:
        """End a blocked answer; raise ProviderError for every other error."""
        said = event.get("error")
        error = said if isinstance(said, dict) else {}
        if text_of(error, "code") not in BLOCKED_CODES:
            raise error_of(error)
        self._end = End("content_filter", self.usage)
        return ()

    def _count(self, usage: object, tier: object = None) -> None:
        self.usage = usage_of(usage, tier) or self.usage


def _object(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise ProviderError("malformed", f"an event of the provider's stream has no {name}")
    return value


def _key(index: object) -> object:
    """Return the number of a step, None for anything else."""
    return index if isinstance(index, int) else None
