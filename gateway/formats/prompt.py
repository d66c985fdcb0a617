"""A request in no wire format: what a client asks of a model, as far as formats agree on what can be asked.

What has no place here stands in `extras` under the name that the client's format gives it, and is refused by name when
another format would have to carry it: nothing is dropped silently. docs/providers.md lists what may be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.calls import FormatName as FormatName
from gateway.errors import CallerError

Role = Literal["system", "user", "assistant"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
MediaKind = Literal["image", "audio", "video", "file"]


class Untranslatable(CallerError):
    """The provider's wire format cannot express the request. `param` names the field."""

    code = "unsupported_by_provider"


@dataclass(frozen=True, slots=True)
class Text:
    """Text; `cache` marks the end of a prefix that the provider is asked to cache, `logprobs` is in OpenAI's shape."""

    text: str
    cache: bool = False
    logprobs: Any = None


@dataclass(frozen=True, slots=True)
class Media:
    """An image, a recording or a file: by `url`, as base64 `data` of a `mime` type, or as a provider's `file_id`."""

    kind: MediaKind
    mime: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""
    cache: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a function. `arguments` is the JSON text that the model wrote.

    `signature` is what the provider wants back unchanged in later turns, in the format `signed_by`.
    """

    id: str
    name: str
    arguments: str
    signature: str = ""
    signed_by: FormatName | None = None
    cache: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A called function's result."""

    call_id: str
    parts: tuple[Text | Media, ...]
    name: str = ""
    is_error: bool = False
    cache: bool = False


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A model's reasoning. `signature` or `encrypted` text is for the provider of format `signed_by` alone.

    On a switch to another format it is left out: no provider takes another's signature. `id` is the item's id where
    the format has one.
    """

    text: str = ""
    signature: str = ""
    encrypted: str = ""
    signed_by: FormatName | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model declined, in its own words."""

    text: str


Part = Text | Media | ToolCall | ToolResult | Reasoning | Refusal


@dataclass(frozen=True, slots=True)
class Message:
    """A turn. Tool results are parts of a `user` message; `name` is the participant's, where given."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function the model may call. `schema` is the JSON schema of its arguments.

    With `is_text` the client knows it as a tool whose input is text (`custom`); its one argument is `input`.
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    cache: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """The tool choice: the model may, must or must not call; `name` insists on one function."""

    mode: Literal["auto", "none", "required", "one"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class OutputShape:
    """The shape wanted: any JSON object where `schema` is None, else JSON by that schema."""

    schema: Mapping[str, Any] | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A whole request. None means that the client left it to the provider.

    `messages` begin with the system messages, where there are any. `thinking_budget` is in tokens; `may_not_think`
    says that a model which cannot think may answer without. `wants_usage` says that a stream's client asked for its
    usage. `hints` are members that change nothing about the answer (a user's id, metadata, cache keys) under chat
    completions' names: a format that has no place for one leaves it out. `extras` are the other members, under the
    name in the client's format, that must not be dropped.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    output: OutputShape | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    effort: Effort | None = None
    thinking_budget: int | None = None
    may_not_think: bool = False
    wants_thoughts: bool | None = None  # whether the model's thoughts are to be shown
    stream: bool = False
    wants_usage: bool = False
    hints: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
