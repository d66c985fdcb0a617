"""A stream of Converse: events by their types, as the framing names them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, Stop, TextDelta, ToolBegin, ToolDelta
from gateway.formats.bedrock import NAME
from gateway.formats.bedrock._framing import ERROR
from gateway.formats.bedrock.errors import error_inside
from gateway.formats.bedrock.provider_answer import malformed, part_of, read_stop, read_usage, stop_sequence, text_of
from gateway.formats.claude.tooling import OUTPUT_TOOL
from gateway.formats.provider_json import parse

Members = dict[str, Any]

_EXCEPTION = "Exception"  # how the types of all exceptions end


class ConverseParser:
    """Follows one stream. The end is held back until the usage, which comes last, is there."""

    __slots__ = ("_as_text", "_calls", "_count", "_ended", "_stop", "_stop_sequence", "usage")

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}  # our number of a call, by the block that it is
        self._as_text: set[int] = set()  # blocks whose input is the answer
        self._count = 0
        self._stop: Stop | None = None
        self._stop_sequence = ""
        self._ended = False
        self.usage: Usage | None = None

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one message. Raises ProviderError for an exception, and for data that is not JSON."""
        if self._ended:
            return ()
        if name == ERROR or name.endswith(_EXCEPTION):
            raise error_inside(name, data)
        take = _TAKES.get(name)
        event = parse(data) if take else None
        return list(take(self, event)) if take and isinstance(event, dict) else ()

    def end(self) -> Sequence[Event]:
        """A stream that lacks its usage is whole if the message stopped."""
        return list(self._end()) if self._stop is not None and not self._ended else ()

    def _begin(self, _event: Members) -> Iterator[Event]:
        yield Begin()

    def _start(self, event: Members) -> Iterator[Event]:
        call = part_of(part_of(event, "start"), "toolUse")
        if call is None:
            return
        block, name, id = _index(event), text_of(call, "name"), text_of(call, "toolUseId")
        if not name or not id:
            raise malformed("a tool use of the provider's stream has no name or no id")
        if name == OUTPUT_TOOL:
            self._as_text.add(block)
            return
        self._calls[block] = self._count
        self._count += 1
        yield ToolBegin(self._calls[block], id, name)

    def _delta(self, event: Members) -> Iterator[Event]:
        delta, block = part_of(event, "delta"), _index(event)
        if text := text_of(delta, "text"):
            yield TextDelta(text)
        if piece := text_of(part_of(delta, "toolUse"), "input"):
            yield from self._input(block, piece)
        if thought := part_of(delta, "reasoningContent"):
            yield from _thought(thought)

    def _input(self, block: int, piece: str) -> Iterator[Event]:
        if block in self._as_text:
            yield TextDelta(piece)
        elif block in self._calls:
            yield ToolDelta(self._calls[block], piece)
        else:
            raise malformed("the provider's stream continues a tool use that it did not begin")

    def _stopped(self, event: Members) -> Iterator[Event]:
        if event.get("stopReason") != "":  # is no reason
            self._stop = read_stop(event.get("stopReason"), bool(self._calls))
        self._stop_sequence = stop_sequence(event)
        yield from ()

    def _metadata(self, event: Members) -> Iterator[Event]:
        self.usage = read_usage(event) or self.usage
        if self._stop is not None:
            yield from self._end()

    def _end(self) -> Iterator[Event]:
        self._ended = True
        yield End(self._stop or "stop", self.usage, self._stop_sequence)


_TAKES: Mapping[str, Callable[[ConverseParser, Members], Iterator[Event]]] = {
    "messageStart": ConverseParser._begin,
    "contentBlockStart": ConverseParser._start,
    "contentBlockDelta": ConverseParser._delta,
    "messageStop": ConverseParser._stopped,
    "metadata": ConverseParser._metadata,
}


def _index(event: Members) -> int:
    index = event.get("contentBlockIndex")
    return index if type(index) is int else 0


def _thought(thought: Members) -> Iterator[Event]:
    if text := text_of(thought, "text"):
        yield ReasoningDelta(text)
    signature, sealed = text_of(thought, "signature"), text_of(thought, "redactedContent")
    if signature or sealed:
        yield ReasoningDelta(signature=signature, encrypted=sealed, signed_by=NAME)
