"""The events of a stream put together again as the parts of its answer."""

from collections.abc import Iterable

from gateway.formats.answer import End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.prompt import Part, Reasoning, Refusal, Text, ToolCall
from gateway.tool_use import MOST_TOOLS


class AnswerPieces:
    """Pieces of an answer, in the order in which they come. `is_over` turns true with its end."""

    def __init__(self) -> None:
        self.is_over = False
        self._said: list[tuple[type, list[str]]] = []
        self._calls: dict[int, tuple[ToolBegin, list[str]]] = {}

    def add_all(self, events: Iterable[Event]) -> None:
        """Add what has come in."""
        for event in events:
            self._add(event)

    def parts(self) -> list[Part]:
        """Return the parts of the answer, text and thoughts before the calls."""
        said: list[Part] = [kind("".join(pieces)) for kind, pieces in self._said]
        calls = (ToolCall(call.id, call.name, "".join(pieces)) for call, pieces in self._calls.values())
        return [*said, *calls]

    def _add(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self._say(Text, text)
            case RefusalDelta(text):
                self._say(Refusal, text)
            case ReasoningDelta():
                self._say(Reasoning, event.text)
            case ToolBegin():
                if len(self._calls) < MOST_TOOLS:
                    self._calls[event.index] = (event, [])
            case ToolDelta(index, arguments):
                if index in self._calls:
                    self._calls[index][1].append(arguments)
            case End():
                self.is_over = True
            case _:
                pass

    def _say(self, kind: type, text: str) -> None:
        if not text:
            return
        if not self._said or self._said[-1][0] is not kind:
            self._said.append((kind, []))
        self._said[-1][1].append(text)
