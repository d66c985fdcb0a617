"""The seam of a wire format: functions that read and write it, as one value, so that any two combine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.calls import Usage
from gateway.errors import Headers, OverLimit, ProviderError, SerinusError
from gateway.formats.answer import Event, Reply
from gateway.formats.door import Counting, Door, Listing, OtherEndpoints
from gateway.formats.fit import fit
from gateway.formats.framing import EVENT_STREAM, Framer, SseFramer
from gateway.formats.limit_headers import openai_headers
from gateway.formats.limits import FormatLimits, Spelling
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.prompt_echo import PromptEcho
from gateway.formats.settings import Settings
from gateway.json_body import Document
from gateway.net.client import Request
from gateway.redaction import Redactor


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer's metadata, without its content. `created` is in Unix seconds, `prompt` the request's prompt.

    `keep` takes the answer's items, as JSON by their ids, where a later request may name them. `echo` is the stored
    prompt that the request named, None for none.
    """

    call_id: str
    model: str
    created: int
    prompt: Prompt
    keep: Callable[[Mapping[str, str]], None] | None = None
    echo: Mapping[str, Any] | None = None


class Parser(Protocol):
    """Follows one stream of a provider, event by event."""

    @property
    def usage(self) -> Usage | None:
        """Return the usage that the provider has reported so far, None before that."""

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one server-sent event; `name` is its `event` field, '' where it has none.

        Raises ProviderError for an error event and for what the format does not promise.
        """

    def end(self) -> Sequence[Event]:
        """The stream has ended: the events that were held back for what might have followed them."""


class Writer(Protocol):
    """Writer of one stream to a client."""

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


class Signer(Protocol):
    """Make the headers that authorize exactly one request at a provider."""

    redactor: Redactor | None
    """Replaces the secrets that were signed with last."""

    def __call__(self, request: Request) -> list[tuple[bytes, bytes]]: ...


@dataclass(frozen=True, slots=True)
class ConversationLayout:
    """Layout of a conversation in a request: the member, an assistant's message, and which items are questions.

    `may_lead` says whether an assistant's message may be the first one. `system` are the members that hold what the
    model is told beside the conversation.
    """

    member: str
    message: Callable[[str], Mapping[str, Any]]
    is_question: Callable[[Mapping[str, Any]], bool]
    may_lead: bool = True
    system: tuple[str, ...] = ()


def _no_id(_answer: bytes) -> str:
    """Find no id: the format's answers are not continued by one."""
    return ""


def _asks_nothing(_values: Mapping[str, Any]) -> bool:
    """Return that no request of the format asks for JSON."""
    return False


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """Facts about a client format that the rest of the gateway needs.

    `key_headers` are where clients send their key, if not as a Bearer token. `error_shape` names a shape of error
    bodies that several formats share: a provider's error of that shape reaches the client as it came. `keeps_answer`
    says of a request whether its provider keeps the answer, for a call that continues it by its id. `continues` is the
    member of such a call that names the answer, and `answer_id` finds the id in an answer's beginning: '' without one.
    Where `echo` is set, answers repeat the prompt that a request names.
    `id_header` is where clients look for the id of an answer, beside `x-request-id`. `stored` says of a request whether
    its answer may be asked for, or gone on from, by its id: it is noted as its caller's. `asks_json` says whether a
    request may ask for an answer in JSON; what exactly it asks for, `ClientSide.prompt` says.
    """

    conversation: ConversationLayout
    key_headers: tuple[bytes, ...] = ()
    error_shape: str | None = None
    keeps_answer: Callable[[Mapping[str, Any]], bool] | None = None
    continues: str = ""
    answer_id: Callable[[bytes], str] = _no_id
    id_header: bytes = b""
    stored: Callable[[Mapping[str, Any]], bool] | None = None
    asks_json: Callable[[Mapping[str, Any]], bool] = _asks_nothing
    echo: PromptEcho | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """Authorization without a key: `signer` makes the signer for a region.

    It needs the importable `package`, which comes with the extra `serinus[extra]`.
    """

    signer: Callable[[str], Signer]
    package: str
    extra: str


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """Facts about a provider format that the rest of the gateway needs.

    `api_name` tells an operator whose API it is. `base_url` is the API's own address; `{region}` in it stands for the
    provider's region. `key_header` carries the key. `price_source` is who usually makes the models behind it, by
    genai-prices' id. `semantic_name` is OpenTelemetry's for the provider.

    `header_prefix` begins the names of headers that speak of this API alone, and means nothing where it is empty.
    `account_headers` choose the account that pays, and so are never a client's to send. `default_headers` go with a
    request whose client sends none of that name. `framer` cuts a stream of the content type `stream_type`.

    `error_shape` is that of `ClientFacts`. `has_openai_endpoints` says that OpenAI's other endpoints (embeddings,
    files, images) stand beside it. `keeps_answers_at` is the path, behind the base path, under which an answer may be
    asked for again by its id; '' where none is kept. `models_path` lists the API's models, behind the base path; None
    where no such list is known. `key_path` answers whoever has a valid key, where the list answers anybody. With
    `tells_endings` that list has the days on which they end. With `has_own_models_alone` the API serves no other
    maker's models, whatever the price list has beside them.
    """

    api_name: str
    base_url: str
    price_source: str
    semantic_name: str
    key_header: str = "authorization"
    header_prefix: bytes = b""
    account_headers: tuple[bytes, ...] = ()
    default_headers: tuple[tuple[bytes, bytes], ...] = ()
    stream_type: bytes = EVENT_STREAM
    framer: Callable[[], Framer] = SseFramer
    error_shape: str | None = None
    has_openai_endpoints: bool = False
    keeps_answers_at: str = ""
    models_path: str | None = None
    key_path: str | None = None
    tells_endings: bool = False
    has_own_models_alone: bool = False
    signing: Signing | None = None

    @property
    def needs_region(self) -> bool:
        return "{region}" in self.base_url


@dataclass(frozen=True, slots=True)
class ClientSide:
    """Client side of a wire format.

    - `prompt` reads a request. Raises CallerError and names the field that is wrong.
    - `opening` finds the text that tells one conversation from another: its first user message, '' without one.
    - `reply` writes a whole answer, and `writer` makes what writes a stream.
    - `error` writes an error body, and `error_event` the server-sent event that ends a broken stream; both take the
      call's id.
    - `door` says where its clients ask, `listing` how they have models listed, and `counting` how they ask for the
      number of a request's tokens; the last two are None where the format has no such endpoint of its own. `others`
      are endpoints that are forwarded to a provider of this very format.
    - `limit_headers` makes the headers that tell of a limit.
    """

    name: FormatName
    facts: ClientFacts
    door: Door
    prompt: Callable[[Mapping[str, Any]], Prompt]
    opening: Callable[[Mapping[str, Any]], str]
    reply: Callable[[Reply, Envelope], bytes]
    writer: Callable[[Envelope], Writer]
    error: Callable[[SerinusError, str], bytes]
    error_event: Callable[[SerinusError, str], bytes]
    listing: Listing | None = None
    counting: Counting | None = None
    others: OtherEndpoints | None = None
    limit_headers: Callable[[OverLimit], Headers] = openai_headers


def _takes_any(_values: Mapping[str, Any]) -> None:
    """Take a request as it came."""


def _as_they_are(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take parameters as they are."""
    return parameters


@dataclass(frozen=True, slots=True)
class ProviderSide:
    """Provider side of a wire format.

    - `limits` says what a model takes at most.
    - `path` is where a request for a model goes, whole or streamed, behind the base path.
    - `body` makes a request's body of a prompt within those limits. Raises Untranslatable and names the field that this
      format cannot say.
    - `amend` finds the members that a version changes in a client's request of this same format, as JSON texts; None
      takes out. It stands for `write` where both sides speak this format, so that all else goes through byte for byte.
    - `reply` reads a whole answer. Raises ProviderError when the body is none, whatever its status was.
    - `parser` makes what follows a stream.
    - `error` reads an answer whose status is not 200; its `body` is upstream's own where the client may see it.

    `tool_name` is how the functions of a client that speaks this format must be called, None for any name.
    `check_files` raises Untranslatable where a client's request of this format names an object in a cloud's storage.
    `of_host` makes the side for a provider at one host, where hosts differ. `beside` are other formats that the same
    account speaks at the same base path, each for clients of that very format. Such a one can `adopt` the parameters
    that a version sets for the account's usual API; it raises Untranslatable for those that it cannot.
    """

    name: FormatName
    facts: ProviderFacts
    limits: Callable[[str], FormatLimits]
    path: Callable[[str, bool], str]
    body: Callable[[Prompt, str], Mapping[str, Any]]
    amend: Callable[[Document, Settings, str], Mapping[str, str | None]]
    reply: Callable[[bytes], Reply]
    parser: Callable[[], Parser]
    error: Callable[[int, Headers, bytes], ProviderError]
    tool_name: Spelling | None = None
    check_files: Callable[[Mapping[str, Any]], None] = _takes_any
    of_host: "Callable[[str], ProviderSide] | None" = None
    beside: "Mapping[FormatName, ProviderSide]" = field(default_factory=dict)
    adopt: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_they_are

    def write(self, prompt: Prompt, model: str) -> Written:
        """Return the request. Raises Untranslatable and names the field that cannot be said."""
        fitted = fit(prompt, self.limits(model))
        return Written(self.path(model, prompt.stream), self.body(fitted.prompt, model), fitted.names)

    def for_client(self, client: FormatName) -> "ProviderSide":
        """Return the side that serves clients of that format."""
        return self.beside.get(client, self) if self.beside else self

    def at(self, host: str) -> "ProviderSide":
        """The same for a provider at that host."""
        return self if self.of_host is None else self.of_host(host)
