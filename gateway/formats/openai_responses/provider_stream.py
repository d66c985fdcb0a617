"""Follows a provider's stream of this format.

What a `done` event says and no delta has said is taken from it: some servers send no deltas, or not all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.openai_responses.provider_answer import (
    check,
    failure,
    logprobs_of,
    reasoning_of,
    reply_of,
    stop_of,
    usage_of,
)
from gateway.formats.prompt import Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.provider_json import parse_object, text_of

_Data = Mapping[str, Any]


class ResponsesParser:
    """Parser of one stream. Counts each part's text, so that `done` events repeat nothing."""

    __slots__ = ("_began", "_calls", "_ended", "_has_events", "_nameless", "_refused", "_said", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._began = False
        self._ended = False
        self._refused = False
        self._has_events = False
        self._calls: dict[int, int] = {}  # the number of a call, by the output index of its item
        self._nameless: set[int] = set()  # output indexes of calls whose name has not come
        self._said: dict[tuple[Any, ...], int] = {}  # characters

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one server-sent event. Raises ProviderError."""
        if self._ended or not data or data.strip() == b"[DONE]":
            return ()
        said = parse_object(data, "an event of the provider's stream")
        kind = text_of(said, "type") or name
        if kind == "error" or ("type" not in said and said.get("error")):
            raise failure(said.get("error") or said)
        if (take := _TAKES.get(kind)) is None:
            return ()
        begun, events = self._begin(_response(said)), list(take(self, said))
        self._has_events = self._has_events or bool(events)
        return [*begun, *events]

    def end(self) -> Sequence[Event]:
        """Nothing is held back: what ends an answer says all of it."""
        return ()

    def _begin(self, response: _Data) -> Sequence[Event]:
        if self._began:
            return ()
        self._began = True
        return (Begin(text_of(response, "id"), text_of(response, "model")),)

    def _nothing(self, _said: _Data) -> Iterator[Event]:
        return iter(())

    def _item(self, said: _Data) -> Iterator[Event]:
        """An item begins: only calls are told of by now."""
        item = _object(said, "item")
        if item.get("type") == "function_call":
            yield from self._call(_index(said, "output_index"), item)

    def _item_done(self, said: _Data) -> Iterator[Event]:
        item, index = _object(said, "item"), _index(said, "output_index")
        if item.get("type") == "function_call":
            yield from self._call(index, item)
        elif item.get("type") == "message":
            content = item.get("content")
            for number, part in enumerate(content if isinstance(content, list) else ()):
                if isinstance(part, dict):
                    yield from self._missing(part, index, number)
        elif item.get("type") == "reasoning" and (thought := reasoning_of(item)):
            unsaid = "" if self._said.get(("thought", index)) else thought.text
            if unsaid or thought.encrypted:
                yield ReasoningDelta(unsaid, "", thought.encrypted, thought.signed_by, thought.id)

    def _call(self, index: int, item: _Data) -> Iterator[Event]:
        """A call's item, as it begins or as it is whole."""
        name = text_of(item, "name")
        if index not in self._calls and not name:
            self._nameless.add(index)  # the item says it when it is whole, with all arguments
            return
        if index not in self._calls:
            self._nameless.discard(index)
            number = self._calls[index] = len(self._calls)
            yield ToolBegin(number, text_of(item, "call_id") or text_of(item, "id"), name)
        yield from self._rest_of_arguments(index, text_of(item, "arguments"))

    def _arguments(self, said: _Data) -> Iterator[Event]:
        index, delta = _index(said, "output_index"), text_of(said, "delta")
        if index in self._nameless:
            return
        self._check_begun(index)
        self._count(("call", index), delta)
        yield ToolDelta(self._calls[index], delta)

    def _arguments_done(self, said: _Data) -> Iterator[Event]:
        index = _index(said, "output_index")
        if index in self._nameless:
            return
        self._check_begun(index)
        yield from self._rest_of_arguments(index, text_of(said, "arguments"))

    def _check_begun(self, index: int) -> None:
        if index not in self._calls:
            raise ProviderError("malformed", "the provider's stream has arguments of a call that it did not begin")

    def _rest_of_arguments(self, index: int, whole: str) -> Iterator[Event]:
        if rest := self._unsaid(("call", index), whole):
            yield ToolDelta(self._calls[index], rest)

    def _text(self, said: _Data) -> Iterator[Event]:
        if delta := text_of(said, "delta"):
            self._count(("text", *_place(said)), delta)
            yield TextDelta(delta, logprobs_of(said))

    def _text_done(self, said: _Data) -> Iterator[Event]:
        if rest := self._unsaid(("text", *_place(said)), text_of(said, "text")):
            yield TextDelta(rest, None if rest != said["text"] else logprobs_of(said))

    def _refusal(self, said: _Data) -> Iterator[Event]:
        if delta := text_of(said, "delta"):
            self._refused = True
            self._count(("refusal", *_place(said)), delta)
            yield RefusalDelta(delta)

    def _refusal_done(self, said: _Data) -> Iterator[Event]:
        if rest := self._unsaid(("refusal", *_place(said)), text_of(said, "refusal")):
            self._refused = True
            yield RefusalDelta(rest)

    def _missing(self, part: _Data, index: int, number: int) -> Iterator[Event]:
        """Yield the content of a message's part that no event has carried."""
        place = {"output_index": index, "content_index": number}
        if part.get("type") == "output_text":
            yield from self._text_done({**part, **place})
        elif part.get("type") == "refusal":
            yield from self._refusal_done({**part, **place})

    def _thought(self, said: _Data) -> Iterator[Event]:
        if delta := text_of(said, "delta"):
            self._count(("thought", _index(said, "output_index")), delta)
            yield ReasoningDelta(delta, id=text_of(said, "item_id"))

    def _next_thought(self, said: _Data) -> Iterator[Event]:
        """A summary has several parts, which are paragraphs of one text."""
        if self._said.get(("thought", _index(said, "output_index"))):
            yield ReasoningDelta("\n\n", id=text_of(said, "item_id"))

    def _end(self, said: _Data) -> Iterator[Event]:
        response = _response(said)
        check(response)
        if self._nameless:
            raise ProviderError("malformed", "a function call of the provider's stream has no name")
        self.usage = usage_of(response)
        self._ended = True
        if not self._has_events:
            yield from _all_of(response)
            yield End(reply_of(response).stop, self.usage)
        else:
            yield End(stop_of(response, self._parts()), self.usage)

    def _parts(self) -> tuple[Part, ...]:
        """Return the answer's parts, as far as its end depends on them."""
        called = (ToolCall("", "", ""),) if self._calls else ()
        return (*called, Refusal("")) if self._refused else called

    def _failed(self, said: _Data) -> Iterator[Event]:
        check({"status": "failed", **_response(said)})
        raise failure({"message": "the response failed"})

    def _count(self, key: tuple[Any, ...], piece: str) -> None:
        self._said[key] = self._said.get(key, 0) + len(piece)

    def _unsaid(self, key: tuple[Any, ...], whole: str) -> str:
        rest = whole[self._said.get(key, 0) :]
        self._count(key, rest)
        return rest


def _all_of(response: _Data) -> Iterator[Event]:
    """The whole answer, where nothing of it was streamed."""
    calls = 0
    for part in reply_of(response).parts:
        if isinstance(part, Text):
            yield TextDelta(part.text, part.logprobs)
        elif isinstance(part, Refusal):
            yield RefusalDelta(part.text)
        elif isinstance(part, Reasoning):
            yield ReasoningDelta(part.text, "", part.encrypted, part.signed_by, part.id)
        elif isinstance(part, ToolCall):
            yield ToolBegin(calls, part.id, part.name)
            yield ToolDelta(calls, part.arguments)
            calls += 1


def _response(said: _Data) -> _Data:
    return _object(said, "response")


def _object(said: _Data, name: str) -> _Data:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _index(said: _Data, name: str) -> int:
    index = said.get(name)
    return index if isinstance(index, int) else 0


def _place(said: _Data) -> tuple[int, int]:
    return _index(said, "output_index"), _index(said, "content_index")


_Take = Callable[[ResponsesParser, _Data], Iterator[Event]]
_TAKES: Mapping[str, _Take] = {
    "response.created": ResponsesParser._nothing,
    "response.queued": ResponsesParser._nothing,
    "response.in_progress": ResponsesParser._nothing,
    "response.output_item.added": ResponsesParser._item,
    "response.output_item.done": ResponsesParser._item_done,
    "response.output_text.delta": ResponsesParser._text,
    "response.output_text.done": ResponsesParser._text_done,
    "response.refusal.delta": ResponsesParser._refusal,
    "response.refusal.done": ResponsesParser._refusal_done,
    "response.function_call_arguments.delta": ResponsesParser._arguments,
    "response.function_call_arguments.done": ResponsesParser._arguments_done,
    "response.reasoning_summary_part.added": ResponsesParser._next_thought,
    "response.reasoning_summary_text.delta": ResponsesParser._thought,
    "response.reasoning_text.delta": ResponsesParser._thought,
    "response.completed": ResponsesParser._end,
    "response.incomplete": ResponsesParser._end,
    "response.failed": ResponsesParser._failed,
}
