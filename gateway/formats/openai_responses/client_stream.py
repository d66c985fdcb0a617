"""Write a stream of this format to a client."""

from collections.abc import Iterator

from gateway.formats import sse
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.openai_responses._output import Json, OutputItems
from gateway.formats.openai_responses.client_answer import finish, keep, response_members
from gateway.formats.protocol import Envelope
from gateway.json_body import encode


class ResponsesWriter:
    """Writer of one stream. Events are numbered from 0."""

    __slots__ = ("_envelope", "_number", "_output")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._output = OutputItems(envelope)
        self._number = 0

    def write(self, event: Event) -> bytes:
        """The events that say this."""
        return b"".join([self._numbered(each) for each in self._say(event)])

    def _say(self, event: Event) -> Iterator[Json]:
        if isinstance(event, TextDelta):
            yield from self._output.text(event)
        elif isinstance(event, ToolDelta):
            yield from self._output.call_arguments(event)
        elif isinstance(event, ToolBegin):
            yield from self._output.begin_call(event)
        elif isinstance(event, ReasoningDelta):
            yield from self._output.reasoning(event)
        elif isinstance(event, RefusalDelta):
            yield from self._output.refusal(event)
        elif isinstance(event, Begin):
            begun = response_members(self._envelope, [], None, None)
            yield from ({"type": f"response.{kind}", "response": begun} for kind in ("created", "in_progress"))
        elif isinstance(event, End):
            yield from finish(self._output, event.stop)
            keep(self._output, self._envelope)
            whole = response_members(self._envelope, self._output.items, event.stop, event.usage)
            yield {"type": f"response.{whole['status']}", "response": whole}

    def _numbered(self, event: Json) -> bytes:
        text = encode({"type": event.pop("type"), "sequence_number": self._number, **event})
        self._number += 1
        return sse.event(text.encode(), text[9 : text.index('"', 9)])
