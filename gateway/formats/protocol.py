"""What a wire format provides: functions that read and write it, as one value, so that any two can be put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.calls import Usage
from gateway.errors import Headers, ProviderError, SerinusError
from gateway.formats.answer import Event, Reply
from gateway.formats.framing import EVENT_STREAM, Framer, SseFramer
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.settings import Settings
from gateway.json_body import Document


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an answer says of itself besides its content. `created` is in Unix seconds, `prompt` what was asked."""

    call_id: str
    model: str
    created: int
    prompt: Prompt


class Parser(Protocol):
    """Follows one stream of a provider, event by event."""

    @property
    def usage(self) -> Usage | None:
        """What the provider has said so far of what it charges, None before that."""

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """What one server-sent event says; `name` is its `event` field, '' where it has none.

        Raises ProviderError for an error event and for what the format does not promise.
        """

    def end(self) -> Sequence[Event]:
        """The stream has ended: the events that were held back for what might have followed them."""


class Writer(Protocol):
    """Writes one stream to a client."""

    def write(self, event: Event) -> bytes:
        """The server-sent events that say this; b"" where nothing is to be said yet. `End` makes the stream whole."""


@dataclass(frozen=True, slots=True)
class Written:
    """A request ready for a provider: the path behind its base path, with its query, and the body's members.

    `names` are the client's names of functions, by those that the provider knows instead.
    """

    path: str
    body: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """How a request holds its conversation: the member, an assistant's message, and which items are questions.

    `may_lead` says whether an assistant's message may be the first one.
    """

    member: str
    message: Callable[[str], Mapping[str, Any]]
    is_question: Callable[[Mapping[str, Any]], bool]
    may_lead: bool = True


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What the rest of the gateway must know of a format that clients speak.

    `key_headers` are where clients send their key, if not as a Bearer token.
    """

    conversation: Conversation
    key_headers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """What the rest of the gateway must know of a format that providers speak.

    `price_source` is who usually makes the models behind it, by genai-prices' id. `header_prefix` begins the names of
    headers that speak of this API alone, and means nothing where it is empty. `default_headers` go with a request
    whose client sends none of that name. `framer` cuts a stream of the content type `stream_type`.
    """

    price_source: str
    header_prefix: bytes = b""
    default_headers: tuple[tuple[bytes, bytes], ...] = ()
    stream_type: bytes = EVENT_STREAM
    framer: Callable[[], Framer] = SseFramer


class ClientSide(Protocol):
    """What a client speaks: the half of a wire format that faces clients."""

    @property
    def name(self) -> FormatName: ...

    @property
    def facts(self) -> ClientFacts: ...

    def prompt(self, values: Mapping[str, Any]) -> Prompt:
        """The request in no format. Raises CallerError and names the field that is wrong."""

    def opening(self, values: Mapping[str, Any]) -> str:
        """The text that tells one conversation from another: its first user message. '' when there is none."""

    def reply(self, reply: Reply, envelope: Envelope) -> bytes:
        """A whole answer."""

    def writer(self, envelope: Envelope) -> Writer: ...

    def error(self, error: SerinusError, call_id: str) -> bytes:
        """The error body of this format."""

    def error_event(self, error: SerinusError, call_id: str) -> bytes:
        """The server-sent event that ends a broken stream."""


class ProviderSide(Protocol):
    """What a provider speaks: the half of a wire format that faces providers."""

    @property
    def name(self) -> FormatName: ...

    @property
    def facts(self) -> ProviderFacts: ...

    def write(self, prompt: Prompt, model: str) -> Written:
        """The request. Raises Untranslatable and names the field that this format cannot say."""

    def path(self, model: str, stream: bool) -> str:
        """Where a request in this format goes, behind the base path."""

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        """The members that a version changes in a client's request of this same format, as JSON texts; None takes out.

        Stands for `write` where both sides speak this format, so that all else goes through byte for byte.
        """

    def reply(self, body: bytes) -> Reply:
        """A whole answer. Raises ProviderError when the body is none, whatever its status was."""

    def parser(self) -> Parser: ...

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """The error of an answer whose status is not 200; its `body` is upstream's own where the client may see it."""
