"""Follows a stream in any wire format: what to send to the client, whether it failed, whether it came to its end.

Where client and provider speak one format the events go on as they came, otherwise they are written anew. Offers what
`openai_chat.provider_stream.StreamReader` offers, which is the same for chat completions on both sides, and faster.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.calls import Attempt, Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, Event, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.framing import Frame, Framer
from gateway.formats.protocol import Parser, Writer
from gateway.formats.provider_json import MAX_ARGUMENT_CHARACTERS, are_json, bad_arguments
from gateway.formats.provider_words import explain
from gateway.tool_use import (
    FEW_TOKENS,
    LONGEST_ID,
    MOST_TOOLS,
    AnswerEnd,
    AnswerOutput,
    RequestedTool,
    end_of,
    requested,
)
from policies.behaviours.behaviours import LONGEST_JSON


class Reader:
    """Reader of one attempt's stream. Without a `writer` the events pass unchanged.

    `started` turns true with the first event that holds a part of an answer. `failure` is set by the first thing that
    is wrong; what came before it is still good to relay. `refused` says that the answer is a refusal. `done` turns true
    when nothing more is to be read. `tools` are the calls that the answer asks for, `finish` is why it ended. With
    `keeps_text` its text is kept, to be examined.
    """

    __slots__ = (
        "_answer_id", "_argument_characters", "_arguments", "_deltas", "_framer", "_has_said", "_model", "_parser",
        "_text_characters", "_texts", "_usage", "_writer",
        "done", "failure", "finish", "refused", "started", "tools",
    )  # fmt: skip

    def __init__(self, parser: Parser, writer: Writer | None, framer: Framer, keeps_text: bool = False) -> None:
        self._parser = parser
        self._writer = writer
        self._framer = framer
        self._arguments: dict[int, list[str]] = {}
        self._argument_characters = 0
        self._deltas = 0
        self._has_said = False
        self._texts: list[str] | None = [] if keeps_text else None
        self._text_characters = 0
        self._usage: Usage | None = None
        self.started = False
        self.refused = False
        self.done = False
        self.finish = ""
        self._answer_id = self._model = ""
        self.tools: list[RequestedTool] = []
        self.failure: ProviderError | None = None

    @property
    def answer_end(self) -> AnswerEnd:
        """Return what the answer ended with. Its id is told where the client got the provider's."""
        tools = tuple(self.tools)
        arguments = tuple("".join(self._arguments.get(index, ())) for index in range(len(tools)))
        text = None if self._texts is None else "".join(self._texts)
        output = AnswerOutput(arguments, text) if tools or text is not None else None
        return end_of(self.finish, tools, "" if self._writer else self._answer_id, self._is_empty(), output)

    def name(self, attempt: Attempt) -> None:
        """Note the answer's id and model as the provider names them."""
        attempt.answer_id, attempt.answer_model = self._answer_id[:LONGEST_ID], self._model[:LONGEST_ID]

    @property
    def tokens(self) -> int:
        """About how many tokens came in: one a piece."""
        return self._deltas

    @property
    def usage(self) -> Usage | None:
        """Return the usage that the provider charges; for a stream that ended early, an estimate from what it had
        reported."""
        said = self._usage or self._parser.usage
        if self.done or said is None:
            return said
        output = max(said.output, self._deltas)
        return replace(said, output=output, estimated=True)

    def _is_empty(self) -> bool:
        """Return whether the whole answer was nothing, thoughts aside; what no event stands for has taken tokens."""
        if self._has_said or not self.done or self.failure:
            return False
        return self._usage is None or self._usage.output - self._usage.reasoning <= FEW_TOKENS

    def feed(self, chunk: bytes) -> bytes:
        """Take what came in; return what to send on, b"" when there is nothing yet."""
        if self.done or self.failure:
            return b""
        return self._read(self._framer.feed(chunk))

    def end(self) -> bytes:
        """The stream has ended: set `failure` if it ended too early or said something that cannot be used.

        Returns what is still to be sent on.
        """
        rest = b""
        if not (self.done or self.failure):
            rest = self._finish()
        if self.failure is None:
            self.failure = self._shortcoming()
        return rest

    def _finish(self) -> bytes:
        try:
            rest = self._read(self._framer.end())
        except ProviderError as error:  # half an event says nothing
            self._fail(error if error.kind != "malformed" else _truncated())
            return b""
        return rest if self.failure else rest + self._written(self._parser.end())

    def _fail(self, error: ProviderError) -> None:
        """The stream has failed. Where it is written anew, the provider's words are in a shape that nobody knows."""
        if self._writer is not None:
            error.body = None
        self.failure = error

    def _read(self, frames: Iterable[Frame]) -> bytes:
        """Return what goes on of these frames, also where an error follows them."""
        relayed: list[bytes] = []
        try:
            for frame in frames:
                try:
                    events = self._parser.take(frame.name, frame.data)
                except ProviderError as error:
                    if error.kind == "error_in_answer":
                        explain(error, frame.data, event=frame.name)
                    self._fail(error)
                    break
                written = self._written(events)
                relayed.append(written if self._writer else frame.raw)
                if self.done or self.failure:
                    break
        except ProviderError as error:  # what comes now cannot be cut into frames
            self._fail(error)
        return b"".join(relayed)

    def _written(self, events: Sequence[Event]) -> bytes:
        for event in events:
            self._watch(event)
        if self._writer is None:
            return b""
        return b"".join([self._writer.write(event) for event in events])

    def _watch(self, event: Event) -> None:
        if isinstance(event, Begin):
            self._answer_id, self._model = event.id, event.model
            return
        self.started = True
        if isinstance(event, End):
            self._usage = event.usage
            self.refused = event.refused
            self.finish = event.stop
            self.done = True
            return
        self._deltas += 1
        if not self._has_said:
            self._has_said = isinstance(event, ToolBegin) or (
                isinstance(event, TextDelta | RefusalDelta) and bool(event.text)
            )
        if isinstance(event, ToolDelta):
            self._keep_arguments(event)
        elif isinstance(event, TextDelta):
            self._keep_text(event.text)
        elif isinstance(event, ToolBegin) and len(self.tools) < MOST_TOOLS:
            self.tools.append(requested(event.id, event.name))

    def _keep_text(self, text: str) -> None:
        """Keep a piece of the text, which is not examined where it is too long."""
        kept = self._texts
        if kept is not None:
            self._text_characters += len(text)
            kept.append(text)
            self._texts = kept if self._text_characters <= LONGEST_JSON else None

    def _keep_arguments(self, delta: ToolDelta) -> None:
        self._argument_characters += len(delta.arguments)
        if self._argument_characters > MAX_ARGUMENT_CHARACTERS:
            self.failure = ProviderError("malformed", "the tool-call arguments of the provider's stream are too long")
            return
        self._arguments.setdefault(delta.index, []).append(delta.arguments)

    def _shortcoming(self) -> ProviderError | None:
        if not self.started:
            return ProviderError("malformed", "the provider's stream ended without content")
        if not self.done:
            return _truncated()
        if not all(are_json("".join(parts)) for parts in self._arguments.values()):
            return bad_arguments()
        return None


def _truncated() -> ProviderError:
    return ProviderError("truncated", "the provider's stream ended before its answer was complete")
