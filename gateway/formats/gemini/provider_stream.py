"""Follows a provider's stream. Each chunk is a piece of an answer; function calls come whole.

No marker ends it: once a `finishReason` came, the answer is whole when the stream is. Its usage comes with every chunk,
the last one counts.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.gemini._terms import stop_of, usage_of
from gateway.formats.gemini.provider_answer import Parts, candidate_of, check_finish, object_in
from gateway.formats.prompt import Part, Reasoning, Text, ToolCall
from gateway.formats.provider_json import parse, text_of

_DONE = b"[DONE]"  # of servers that merely resemble Google's


class StreamParser:
    """Parser of one stream. `usage` is the provider's latest usage report."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._parts: Parts | None = None
        self._tools = 0
        self._said = False
        self._finish = ""

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one chunk. Raises ProviderError for an error, and for a malformed chunk."""
        if not data.strip() or data.strip() == _DONE:
            return ()
        chunk = object_in(parse(data), data)
        self.usage = usage_of(chunk.get("usageMetadata")) or self.usage
        events = list(self._begin(chunk))
        candidate, reason = candidate_of(chunk)
        if candidate is not None and self._parts is not None:
            for part in self._parts.read(candidate):
                self._said = True
                events += self._events(part)
        check_finish(reason, candidate or {}, self._said)
        self._finish = reason or self._finish
        return events

    def end(self) -> Sequence[Event]:
        if not self._finish:
            return ()
        stop = stop_of(self._finish, called=self._tools > 0)
        self._finish = ""
        return (End(stop, self.usage),)

    def _begin(self, chunk: dict[str, Any]) -> Iterator[Event]:
        if self._parts is None:
            id_ = text_of(chunk, "responseId")
            self._parts = Parts(id_)
            yield Begin(id_, text_of(chunk, "modelVersion"))

    def _events(self, part: Part) -> Iterator[Event]:
        """Images have no place in a stream of the other formats, and are left out."""
        match part:
            case Text():
                yield TextDelta(part.text, part.logprobs)
            case Reasoning():
                yield ReasoningDelta(part.text, part.signature, signed_by=part.signed_by)
            case ToolCall():
                yield ToolBegin(self._tools, part.id, part.name, part.signature, part.signed_by)
                yield ToolDelta(self._tools, part.arguments)
                self._tools += 1
