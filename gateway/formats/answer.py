"""An answer in no wire format: whole, as a `Reply`, or as the `Event`s of a stream, in the order in which they come.

A stream is `Begin`, then any deltas, then `End` exactly once. Text and reasoning go on until a delta of another kind
comes. Tool calls are numbered from 0 in the order of their `ToolBegin`; their deltas may interleave.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Literal

from gateway.calls import Usage
from gateway.formats.prompt import FormatName, Part

# `length`: the limit of tokens was reached. `content_filter`: the provider stopped it. `refusal`: the model declined.
# `pause`: the provider wants the turn continued.
Stop = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause"]
REFUSING: Container[Stop] = ("content_filter", "refusal")  # the provider stopped the answer, or the model declined


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `parts` are Text, Reasoning, ToolCall, Refusal and Media.

    `stop_sequence` is the one that ended it, `id` and `model` are the provider's; '' where there is none.
    """

    parts: tuple[Part, ...]
    stop: Stop = "stop"
    usage: Usage | None = None
    id: str = ""
    model: str = ""
    stop_sequence: str = ""

    @property
    def refused(self) -> bool:
        """Return whether the answer is a refusal."""
        return self.stop in REFUSING


@dataclass(frozen=True, slots=True)
class Begin:
    """The stream has begun. `usage` is what is known of the input by now."""

    id: str = ""
    model: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """`logprobs` in chat completions' shape: a list of token objects."""

    text: str
    logprobs: Any = None


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of thought, or the signature or encrypted text that closes it."""

    text: str = ""
    signature: str = ""
    encrypted: str = ""
    signed_by: FormatName | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class ToolBegin:
    index: int
    id: str
    name: str
    signature: str = ""
    signed_by: FormatName | None = None


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """The next piece of the arguments' JSON text."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class End:
    """The answer is whole."""

    stop: Stop = "stop"
    usage: Usage | None = None
    stop_sequence: str = ""

    @property
    def refused(self) -> bool:
        """Return whether the answer is a refusal."""
        return self.stop in REFUSING


Event = Begin | TextDelta | RefusalDelta | ReasoningDelta | ToolBegin | ToolDelta | End
