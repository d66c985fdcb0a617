"""A stream of chat completions in no format, both ways: a provider's is parsed, a client's is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.calls import Usage, usage_from
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.openai_chat.answer import error_inside, parse
from gateway.formats.openai_chat.logprobs import read_logprobs
from gateway.formats.openai_chat.reasoning import (
    call_signature,
    read_details,
    thought,
    write_call_signature,
    write_details,
)
from gateway.formats.openai_chat.reply import (
    arguments_of,
    base,
    call_id,
    content_texts,
    nameless,
    read_stop,
    text_of,
    write_stop,
    write_usage,
)
from gateway.formats.prompt import Reasoning, Refusal, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode

Members = dict[str, Any]

_DONE = b"[DONE]"


class ChatParser:
    """Follows one stream of a provider.

    The end is held back until its usage can no longer come: it stands in a chunk behind the one that finishes.
    """

    __slots__ = ("_begun", "_calls", "_ended", "_finish", "_id", "_refused", "_said", "_thinks", "usage")

    def __init__(self) -> None:
        self._begun = False
        self._said = False
        self._ended = False
        self._refused = False
        self._thinks = False
        self._finish: str | None = None
        self._id = ""
        self._calls = _Calls()
        self.usage: Usage | None = None

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """What one event says. Raises ProviderError for an error, and for what is not JSON."""
        if self._ended or not data:
            return ()
        if data == _DONE:
            return self._end() if self._finish is not None or self._said else ()
        event = parse(data)
        if not isinstance(event, dict):
            return ()
        if event.get("error"):
            raise error_inside(event, data)
        if name == "error":
            raise error_inside({"error": event}, data)
        return list(self._take(event))

    def end(self) -> Sequence[Event]:
        """A stream that lacks its end marker is whole if the answer finished."""
        return self._end() if self._finish is not None and not self._ended else ()

    def _take(self, event: Members) -> Iterator[Event]:
        usage = usage_from(event.get("usage"))
        self.usage = usage or self.usage
        if not self._begun:
            self._begun, self._id = True, text_of(event, "id")
            yield Begin(self._id, text_of(event, "model"), self.usage)
        choice = _first(event.get("choices"))
        if choice is None:
            return
        delta = choice.get("delta")
        if isinstance(delta, dict):
            yield from self._delta(delta, choice)
        if isinstance(reason := choice.get("finish_reason"), str):
            self._finish = reason

    def _delta(self, delta: Members, choice: Members) -> Iterator[Event]:
        for event in (*self._thoughts(delta), *_texts(delta, choice), *self._calls.take(delta, self._id)):
            self._said = True
            self._refused = self._refused or isinstance(event, RefusalDelta)
            yield event

    def _thoughts(self, delta: Members) -> Iterator[Event]:
        """Text that comes in plain words is repeated in the details, with it or when it is whole."""
        if text := thought(delta):
            self._thinks = True
            yield ReasoningDelta(text)
        for detail in read_details(delta.get("reasoning_details")):
            said = "" if self._thinks else detail.text
            if said or detail.signature or detail.encrypted:
                yield ReasoningDelta(said, detail.signature, detail.encrypted, detail.signed_by, detail.id)

    def _end(self) -> Sequence[Event]:
        self._ended = True
        said = [Refusal("")] if self._refused else []
        calls = [ToolCall("", "", "")] if self._calls.count else []
        return [End(read_stop(self._finish, (*said, *calls)), self.usage)]


class _Calls:
    """The function calls of a stream, numbered as they begin: providers' own numbers repeat or are missing."""

    __slots__ = ("_ids", "_numbers", "count")

    def __init__(self) -> None:
        self.count = 0
        self._numbers: dict[int, int] = {}  # ours, by the provider's
        self._ids: dict[int, str] = {}

    def take(self, delta: Members, reply_id: str) -> Iterator[Event]:
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield from self._take_one(call, reply_id)

    def _take_one(self, call: Members, reply_id: str) -> Iterator[Event]:
        value = call.get("function")
        function = value if isinstance(value, dict) else {}
        index = self._index(call)
        number = self._numbers.get(index)
        if number is None or self._is_another(number, call, function):
            if not (name := text_of(function, "name")):
                raise nameless()
            number = self._numbers[index] = self.count
            self.count += 1
            self._ids[number] = call_id(call, reply_id, number)
            signature = call_signature(call)
            yield ToolBegin(number, self._ids[number], name, signature, "gemini" if signature else None)
        if arguments := arguments_of(function):
            yield ToolDelta(number, arguments)

    def _index(self, call: Members) -> int:
        """The provider's number of a call; one that has none goes on with the latest, or begins by its id."""
        index = call.get("index")
        return index if type(index) is int else max(self._numbers, default=0)

    def _is_another(self, number: int, call: Members, function: Members) -> bool:
        """Whether a number that was seen is used for a second call."""
        return bool(text_of(function, "name")) and text_of(call, "id") not in ("", self._ids[number])


class ChatWriter:
    """Writes one stream to a client: the role first, the usage only where it was asked for."""

    __slots__ = ("_base", "_details", "_envelope", "_refused", "_thought", "_usage")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._base = base(envelope, "chat.completion.chunk")
        self._usage: Members = {"usage": None} if envelope.prompt.wants_usage else {}
        self._thought: list[str] = []
        self._details = 0
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
                return self._chunk({"tool_calls": [_begun(event)]})
            case ToolDelta(index, arguments):
                return self._chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
            case End():
                return self._end(event)

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
        chunk = self._chunk({}, finish=write_stop(event.stop, self._refused))
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


def _first(choices: object) -> Members | None:
    """The choice that counts: asked for is only one."""
    found: Iterable[Any] = choices if isinstance(choices, list) else ()
    return next((each for each in found if isinstance(each, dict) and each.get("index", 0) in (0, None)), None)


def _texts(delta: Members, choice: Members) -> Iterator[Event]:
    value = choice.get("logprobs")
    logprobs = read_logprobs(value.get("content")) if isinstance(value, dict) else None
    text = "".join(content_texts(delta.get("content")))
    if text or logprobs:
        yield TextDelta(text, logprobs)
    if refusal := text_of(delta, "refusal"):
        yield RefusalDelta(refusal)
