"""Follows a chat-completion stream: what to relay, whether it failed, whether it came to its end, what it used.

Events are scanned, not parsed: only those that carry usage, a tool call, an error or the end are looked into.
"""

from typing import Any

from gateway.calls import Usage, usage_from
from gateway.errors import ProviderError
from gateway.providers import sse
from gateway.providers.openai_answer import check_arguments, error_inside, parse

_DONE = b"[DONE]"
# Inside a JSON string these quotes would be escaped, so text that a model writes does not match.
_MARKS = (b'"error"', b'"usage":{', b'"usage": {', b'"tool_calls"', b'"finish_reason":"', b'"finish_reason": "', _DONE)
_MAX_ARGUMENT_CHARACTERS = 1 << 20


class StreamReader:
    """One stream of one attempt.

    `started` turns true with the first event that holds a part of an answer, `done` with the end marker. `failure` is
    set by the first thing that is wrong; what came before it is still good to relay.
    """

    __slots__ = (
        "_argument_characters", "_arguments", "_buffer", "_finished", "_wants_usage",
        "done", "failure", "started", "usage",
    )  # fmt: skip

    def __init__(self, wants_usage: bool) -> None:
        self._wants_usage = wants_usage
        self._buffer = b""
        self._arguments: dict[tuple[int, int], list[str]] = {}
        self._argument_characters = 0
        self._finished = False
        self.started = False
        self.done = False
        self.failure: ProviderError | None = None
        self.usage: Usage | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Take what came in; return the whole events to relay, b"" when there are none yet."""
        if self.done or self.failure:
            return b""
        buffer = self._buffer + chunk if self._buffer else chunk
        end = sse.complete_until(buffer)
        self._buffer = buffer[end:]
        if len(self._buffer) > sse.MAX_EVENT_BYTES:
            self.failure = ProviderError("malformed", "an event of the provider's stream is too long")
        return self._read(buffer[:end]) if end else b""

    def end(self) -> bytes:
        """The stream has ended: set `failure` if it ended too early or said something that cannot be used.

        Returns what is still to be relayed: a last event that no blank line closed.
        """
        rest = b""
        if self._buffer and not (self.done or self.failure):
            rest = self._read(self._buffer + b"\n\n")
            if self.failure and self.failure.kind == "malformed":
                self.failure = _truncated()
        if self.failure is None:
            self.failure = self._shortcoming()
        return rest

    def _shortcoming(self) -> ProviderError | None:
        if not self.started:
            return ProviderError("malformed", "the provider's stream held no part of an answer")
        if not (self.done or self._finished):
            return _truncated()
        return self._bad_arguments()

    def _read(self, block: bytes) -> bytes:
        if any(mark in block for mark in _MARKS):
            return b"".join(self._read_each(block))
        self.started = self.started or b'"choices"' in block
        return block

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
        return self._take(event) if isinstance(event, dict) else True

    def _take(self, event: dict[str, Any]) -> bool:
        if event.get("error"):
            self.failure = error_inside(event)
            return False
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._take_choice(choice)
        if (usage := usage_from(event.get("usage"))) is not None:
            self.usage = usage
            return bool(choices) or self._wants_usage
        return True

    def _take_choice(self, choice: dict[str, Any]) -> None:
        self.started = True
        self._finished = self._finished or choice.get("finish_reason") is not None
        delta = choice.get("delta")
        for call in (delta.get("tool_calls") if isinstance(delta, dict) else None) or ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(arguments := function.get("arguments"), str):
                self._keep_arguments((choice.get("index") or 0, call.get("index") or 0), arguments)

    def _keep_arguments(self, key: tuple[int, int], arguments: str) -> None:
        self._argument_characters += len(arguments)
        if self._argument_characters > _MAX_ARGUMENT_CHARACTERS:
            self.failure = ProviderError("malformed", "the tool-call arguments of the provider's stream have no end")
            return
        self._arguments.setdefault(key, []).append(arguments)

    def _bad_arguments(self) -> ProviderError | None:
        try:
            for parts in self._arguments.values():
                check_arguments("".join(parts))
        except ProviderError as error:
            return error
        return None


def _truncated() -> ProviderError:
    return ProviderError("truncated", "the provider's stream ended before the answer did")
