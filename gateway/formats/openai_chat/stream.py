"""Follows a chat-completion stream: what to relay, whether it failed, whether it came to its end, what it used.

Plain parts are compared or counted, not parsed: only what carries usage, a tool call, an error or the end is looked
into.
"""

from typing import Any

from gateway.calls import Usage, usage_from
from gateway.errors import ProviderError
from gateway.formats import sse
from gateway.formats.openai_chat.answer import MAX_ARGUMENT_CHARACTERS, are_json, bad_arguments, error_inside, parse
from gateway.formats.openai_chat.frame import Frame
from gateway.redaction import NOTHING, Redactor

_DONE = b"[DONE]"
# How a compact encoder writes a part of an answer; what is spelled otherwise is parsed, which costs more.
_PART = b'"choices":[{'
_MARKS = (b'"finish_reason":"', b'"usage":{', b'"tool_calls"', b'"error"')  # of what is looked into


class StreamReader:
    """One stream of one attempt.

    `started` turns true with the first event that holds a part of an answer, `done` with the end marker. `failure` is
    set by the first thing that is wrong; what came before it is still good to relay. `parts` counts the events that
    held a part of the answer, about one a token. No secret that the redactor knows is relayed, nor in the `failure`.
    """

    __slots__ = (
        "_argument_characters", "_arguments", "_cutter", "_finished", "_frame", "_redactor", "_wants_usage",
        "done", "failure", "parts", "started", "usage",
    )  # fmt: skip

    def __init__(self, wants_usage: bool, redactor: Redactor | None = None) -> None:
        self._wants_usage = wants_usage
        self._redactor = redactor or NOTHING
        self._cutter = sse.Cutter()
        self._frame: Frame | None = None  # while all is well, and nothing of the next event has come
        self._arguments: dict[tuple[int, int], list[str]] = {}
        self._argument_characters = 0
        self._finished = False
        self.parts = 0
        self.started = False
        self.done = False
        self.failure: ProviderError | None = None
        self.usage: Usage | None = None

    @property
    def tokens(self) -> int:
        """About how many tokens came in: one a part, but for the first, the role, and the last, why it finished."""
        return max(self.parts - 1 - self._finished, 0)

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
            rest = b"".join(self._read_each(self._redactor.plain(bytes(self._cutter.kept) + b"\n\n")))
            if self.failure and self.failure.kind == "malformed":
                self.failure = _truncated()
        if self.failure is None:
            self.failure = self._shortcoming()
        return rest

    def _look_into(self, chunk: bytes) -> bytes:
        if self.done or self.failure:
            return b""
        block = self._cutter.feed(chunk)
        if self._cutter.overflows:
            self.failure = ProviderError("malformed", "an event of the provider's stream is too long")
        return self._read(self._redactor.plain(block)) if block else b""  # whole events: no secret is cut

    def _shortcoming(self) -> ProviderError | None:
        if not self.started:
            return ProviderError("malformed", "the provider's stream held no part of an answer")
        if not (self.done or self._finished):
            return _truncated()
        if not all(are_json("".join(parts)) for parts in self._arguments.values()):
            return bad_arguments()
        return None

    def _read(self, block: bytes) -> bytes:
        parts = block.count(_PART)
        if parts and _is_plain(block, parts):
            self.parts += parts
            self.started = True
            if parts == 1 and not self._cutter.kept:
                self._frame = Frame.of(block, self._redactor)
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
            self.failure = error_inside(event, data)
            return False
        choices = _dicts(event.get("choices"))
        for choice in choices:
            self._take_choice(choice)
        self.parts += bool(choices)
        if (usage := usage_from(event.get("usage"))) is not None:
            self.usage = usage
            return bool(choices) or self._wants_usage
        return True

    def _take_choice(self, choice: dict[str, Any]) -> None:
        self.started = True
        self._finished = self._finished or choice.get("finish_reason") is not None
        delta = choice.get("delta")
        for call in _dicts(delta.get("tool_calls")) if isinstance(delta, dict) else ():
            function = call.get("function")
            if isinstance(function, dict) and isinstance(arguments := function.get("arguments"), str):
                self._keep_arguments((_index(choice), _index(call)), arguments)

    def _keep_arguments(self, key: tuple[int, int], arguments: str) -> None:
        self._argument_characters += len(arguments)
        if self._argument_characters > MAX_ARGUMENT_CHARACTERS:
            self.failure = ProviderError("malformed", "the tool-call arguments of the provider's stream have no end")
            return
        self._arguments.setdefault(key, []).append(arguments)


def _is_plain(block: bytes, parts: int) -> bool:
    """Whether a block is nothing but so many objects with a part of the answer: the usual packet.

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
    return ProviderError("truncated", "the provider's stream ended before the answer did")
