"""Read a provider's stream of chat completions.

`StreamReader` relays it to a client of this format: plain parts are compared or counted, and only what carries usage,
a tool call, an error or the end is parsed. `ChatParser` turns it into events for a client of another format.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gateway.calls import Attempt, Usage
from gateway.errors import ProviderError
from gateway.formats import sse
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, RefusalDelta, TextDelta
from gateway.formats.openai_chat._calls import Arguments, StreamedCalls
from gateway.formats.openai_chat._frame import ChunkFrame
from gateway.formats.openai_chat._logprobs import read_logprobs
from gateway.formats.openai_chat._reasoning import read_details, thought
from gateway.formats.openai_chat.errors import check_choice, error_inside
from gateway.formats.openai_chat.provider_answer import (
    FILTERED,
    content_texts,
    read_stop,
)
from gateway.formats.openai_usage import usage_in
from gateway.formats.prompt import Refusal, ToolCall
from gateway.formats.provider_json import MAX_ARGUMENT_CHARACTERS, are_json, bad_arguments, parse, text_of
from gateway.formats.provider_words import explain
from gateway.redaction import NOTHING, Redactor
from gateway.tool_use import FEW_TOKENS, MOST_TOOLS, AnswerEnd, AnswerOutput, RequestedTool, end_of, requested, short

_DONE = b"[DONE]"
# How a compact encoder writes a part of an answer; what is spelled otherwise is parsed, which costs more.
_PART = b'"choices":[{'
_speaks = re.compile(rb'"content":\s*(?:"[^"]|\[\{)').search
_HEAD_BYTES = 2048  # of the first event, which are kept for the names in it
_IS_SILENT = b'"content":""'  # the first part of many streams, whose frame would hold every text
_MARKS = (b'"finish_reason":"', b'"usage":{', b'"tool_calls"', b'"error"', b'"refusal":"')  # of what is looked into


class StreamReader:
    """Reader of one attempt's stream.

    `started` turns true with the first event that holds a part of an answer, `done` with the end marker. `failure` is
    set by the first thing that is wrong; what came before it is still good to relay. `refused` tells a refusal.
    `parts` counts the events that held a part of the answer, about one a token. `tools` are the calls that it asked
    for, `finish` is why it ended. No secret that the redactor knows is relayed, nor in the `failure`.
    """

    __slots__ = (
        "_argument_characters", "_arguments", "_begun", "_cutter", "_frame", "_has_text", "_head", "_redactor",
        "_wants_usage",
        "done", "failure", "finish", "parts", "refused", "started", "tools", "usage",
    )  # fmt: skip

    def __init__(self, wants_usage: bool, redactor: Redactor | None = None) -> None:
        self._wants_usage = wants_usage
        self._redactor = redactor or NOTHING
        self._cutter = sse.Cutter()
        self._frame: ChunkFrame | None = None  # while all is well, and nothing of the next event has come
        self._arguments: dict[tuple[int, int], Arguments] = {}
        self._begun: list[Arguments] = []  # of each of `tools`
        self._has_text = False
        self._head = b""
        self._argument_characters = 0
        self.finish = ""
        self.parts = 0
        self.tools: list[RequestedTool] = []
        self.refused = self.started = self.done = False
        self.failure: ProviderError | None = None
        self.usage: Usage | None = None

    @property
    def answer_end(self) -> AnswerEnd:
        """Return what the answer ended with. No answer of this format is continued by its id."""
        tools = tuple(self.tools)
        output = AnswerOutput(tuple(each.text for each in self._begun)) if tools else None
        return end_of(self.finish, tools, "", self._is_empty(), output)

    def name(self, attempt: Attempt) -> None:
        """Note where the answer's id and model stand; they are read by whoever wants them."""
        attempt.answer_head = self._head

    @property
    def tokens(self) -> int:
        """About how many tokens came in: one a part, but for the first, the role, and the last, why it finished."""
        return max(self.parts - 1 - bool(self.finish), 0)

    def feed(self, chunk: bytes) -> bytes:
        """Take what came in; return the whole events to relay, b"" when there are none yet."""
        frame = self._frame
        if frame is not None and frame.holds(chunk):  # the usual packet: one more part like the last
            self.parts += 1
            return chunk
        self._frame = None
        return self._look_into(chunk)

    def end(self) -> bytes:
        """The stream has ended: set `failure` if it ended too early or said something that cannot be used.

        Returns what is still to be relayed: a last event that no blank line closed.
        """
        rest = b""
        if self._cutter.kept and not (self.done or self.failure):
            block = self._redactor.plain(bytes(self._cutter.kept) + b"\n\n")
            self._has_text = self._has_text or _speaks(block) is not None
            rest = b"".join(self._read_each(block))
            if self.failure and self.failure.kind == "malformed":
                self.failure = _truncated()
        if self.failure is None:
            self.failure = self._shortcoming()
        return rest

    def _is_empty(self) -> bool:
        """Return whether the whole answer was nothing, thoughts aside; what is no text has taken tokens."""
        if self._has_text or self.tools or self.refused or self.failure or not self.finish:
            return False
        tokens = self.tokens if self.usage is None else self.usage.output - self.usage.reasoning
        return tokens <= FEW_TOKENS

    def _look_into(self, chunk: bytes) -> bytes:
        if self.done or self.failure:
            return b""
        block = self._cutter.feed(chunk)
        relayed = self._read(self._redactor.plain(block)) if block else b""  # whole events: no secret is cut
        if self._cutter.overflows and not (self.done or self.failure):  # type: ignore[redundant-expr]  # it reads both
            self.failure = ProviderError("malformed", "an event of the provider's stream is too long")
        return relayed

    def _shortcoming(self) -> ProviderError | None:
        if not self.started:
            return ProviderError("malformed", "the provider's stream ended without content")
        if not (self.done or self.finish):
            return _truncated()
        if not all(are_json(each.text) for each in {*self._begun, *self._arguments.values()}):
            return bad_arguments()
        return None

    def _read(self, block: bytes) -> bytes:
        parts = block.count(_PART)
        if not self.started:  # some send an event without names before the first part
            self._head = block[:_HEAD_BYTES]
        if not self._has_text:
            self._has_text = _speaks(block) is not None
        if parts and _is_plain(block, parts):
            self.parts += parts
            self.started = True
            if parts == 1 and not self._cutter.kept and (self._has_text or _IS_SILENT not in block):
                self._frame = ChunkFrame.of(block, self._redactor)
            return block
        return b"".join(self._read_each(block))

    def _read_each(self, block: bytes) -> list[bytes]:
        relayed: list[bytes] = []
        for event in sse.split(block):
            if self._read_event(sse.data(event)):
                relayed.append(event)
            if self.failure or self.done:
                break
        return relayed

    def _read_event(self, data: bytes) -> bool:
        """Look into one event; whether to relay it."""
        if data.strip() == _DONE:
            self.done = True
            return True
        if not data:
            return True
        try:
            event = parse(data)
        except ProviderError as error:
            self.failure = error
            return False
        return self._take(event, data) if isinstance(event, dict) else True

    def _take(self, event: dict[str, Any], data: bytes) -> bool:
        if event.get("error"):
            self.failure = explain(error_inside(event, data), data)
            return False
        choices = _dicts(event.get("choices"))
        try:
            for choice in choices:
                self._take_choice(choice)
        except ProviderError as error:
            self.failure = explain(error, data) if error.kind == "error_in_answer" else error
            return False
        self.parts += bool(choices)
        if (usage := usage_in(event)) is not None:
            self.usage = usage
            return bool(choices) or self._wants_usage
        return True

    def _take_choice(self, choice: dict[str, Any]) -> None:
        check_choice(choice)
        self.started = True
        reason = choice.get("finish_reason")  # some write "" while there is none
        if reason and not self.finish:
            self.finish = reason if isinstance(reason, str) else "stop"
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        self.refused = self.refused or reason in FILTERED or bool(delta.get("refusal"))
        for call in _dicts(delta.get("tool_calls")):
            function = call.get("function")
            if isinstance(function, dict):
                self._note_call(call, function, (_index(choice), _index(call)))

    def _note_call(self, call: dict[str, Any], function: dict[str, Any], key: tuple[int, int]) -> None:
        """Note one piece of a call. A name begins one, unless the server repeats it with every piece."""
        if (name := function.get("name")) and self._begins_call(call.get("id"), key):
            self.tools.append(requested(call.get("id"), name))
            self._arguments[key] = Arguments()
            self._begun.append(self._arguments[key])
        if isinstance(function.get("arguments"), str):
            self._keep_arguments(key, function)

    def _begins_call(self, id_: Any, key: tuple[int, int]) -> bool:
        if len(self.tools) >= MOST_TOOLS:
            return False
        kept = self._arguments.get(key)
        return kept is None or (short(id_) != self.tools[-1].id if id_ else kept.are_whole())

    def _keep_arguments(self, key: tuple[int, int], function: dict[str, Any]) -> None:
        """Keep a piece. A name behind arguments that are whole begins another call under the same number."""
        kept = self._arguments.get(key)
        if kept is None or (function.get("name") and kept.are_whole()):
            kept = self._arguments[key] = Arguments()
        self._argument_characters += len(function["arguments"])
        if self._argument_characters > MAX_ARGUMENT_CHARACTERS:
            raise ProviderError("malformed", "the tool-call arguments of the provider's stream are too long")
        kept.add(function["arguments"])


def _is_plain(block: bytes, parts: int) -> bool:
    """Return whether a block is nothing but so many objects with a part of the answer: the usual packet.

    Inside a JSON string these quotes would be escaped, so text that a model writes does not match.
    """
    if not parts == block.count(b"}\n\n") == block.count(b"\n\n"):
        return False
    return max(map(block.find, _MARKS)) < 0  # `in` is dear with bytes: CPython makes an exception first


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _index(value: dict[str, Any]) -> int:
    index = value.get("index")
    return index if isinstance(index, int) else 0


def _truncated() -> ProviderError:
    return ProviderError("truncated", "the provider's stream ended before its answer was complete")


Members = dict[str, Any]


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
        self._calls = StreamedCalls()
        self.usage: Usage | None = None

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one server-sent event. Raises ProviderError for an error, and for invalid JSON."""
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
        usage = usage_in(event)
        self.usage = usage or self.usage
        if not self._begun and (event.get("choices") or text_of(event, "id")):  # Azure's first event has neither
            self._begun, self._id = True, text_of(event, "id")
            yield Begin(self._id, text_of(event, "model"), self.usage)
        choice = _first(event.get("choices"))
        if choice is None:
            return
        check_choice(choice)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            yield from self._delta(delta, choice)
        if reason := text_of(choice, "finish_reason"):
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
        self._calls.check()
        said = [Refusal("")] if self._refused else []
        calls = [ToolCall("", "", "")] if self._calls.count else []
        return [End(read_stop(self._finish, (*said, *calls)), self.usage)]


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
