"""Translation of one attempt: the client's request for a provider, and the provider's answer for the client.

Three ways, chosen by who speaks what: chat completions on both sides goes the short way of its own; any other format on
both sides goes through as it came, with the version's members put in; two formats meet in the neutral form. So does
one format whose provider does not take the client's names of functions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gateway.calls import Call
from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.api_headers import without_others, without_version
from gateway.formats.applied import AppliedVersion
from gateway.formats.blame import Authors
from gateway.formats.cloud_files import check_prompt
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.framing import Framer, SseFramer
from gateway.formats.kept_text import KeepingReader
from gateway.formats.names import OwnNames, are_taken, with_own_names
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.openai_chat.amend import chat_request, fitted_history
from gateway.formats.openai_chat.errors import read_error
from gateway.formats.openai_chat.provider_answer import inspected, read_answer
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.formats.plain import Plain
from gateway.formats.prompt import FormatName, Prompt, Reasoning, Text, ToolCall, Untranslatable
from gateway.formats.prompt_echo import EchoFramer, prompt_of
from gateway.formats.protocol import ClientSide, Envelope, ProviderSide
from gateway.formats.provider_json import are_json
from gateway.formats.reader import Reader
from gateway.formats.registry import CLIENTS
from gateway.formats.settings import Settings, overlay
from gateway.formats.whole import Whole
from gateway.json_body import encode
from gateway.net.client import Request
from gateway.tool_use import FEW_TOKENS, MOST_TOOLS, AnswerOutput, end_of, requested
from routing.chain import Target

_RATE_LIMITED, _THEIR_FAULT = 429, 500  # HTTP statuses
_SAMPLING = ("temperature", "top_p", "top_k")


class Translation(Protocol):
    """Made for one attempt. All that reads raises ProviderError."""

    def request(self) -> Request:
        """Write the request. Raises ProviderError of kind `untranslatable` for what the provider's format cannot
        express."""

    def whole(self, body: bytes) -> Whole:
        """A whole answer."""

    def reader(self) -> "StreamReader | Reader": ...

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """The error of an answer whose status is not 200."""


@dataclass(slots=True)  # frozen ones cost twice as much to make, once an attempt
class Attempted:
    """Subject of an attempt. `own` is the wire format that the version was written for.

    `unix` tells the time in Unix seconds.
    """

    call: Call
    applied: AppliedVersion
    endpoint: ProviderEndpoint
    target: Target
    own: FormatName
    unix: Callable[[], float]
    asks_usage: bool = True  # whether a stream of chat completions is asked for its usage

    @property
    def added(self) -> frozenset[str]:
        """The members that the gateway adds to a request of chat completions: the question for a stream's usage."""
        asked = self.call.format == CHAT and self.call.wants_usage
        adds = self.call.stream and self.asks_usage and self.endpoint.format == CHAT and not asked
        return frozenset({"stream_options"} if adds else ())

    @property
    def asks_json(self) -> bool:
        """Return whether the answer may have to be JSON: then its text is examined."""
        call = self.call
        return self.applied.asks_json or CLIENTS[call.format].facts.asks_json(call.document.values)

    @property
    def provider(self) -> ProviderSide:
        """The side of the account that serves this client."""
        return self.endpoint.api.for_client(self.call.format)

    @property
    def settings(self) -> Settings:
        """The version's part. Parameters of its own provider's API alone are nothing to a provider of another.

        Raises Untranslatable for one that the account's usual API has, and not the one that this client speaks.
        """
        settings, provider = self.applied.settings, self.provider
        if provider.name == self.own:
            return settings
        is_beside = self.endpoint.format == self.own and settings.native
        return replace(settings, native=provider.adopt(settings.native or {}) if is_beside else {})


def translation(attempted: Attempted) -> Translation:
    """The way from this client to this provider and back."""
    call, provider = attempted.call, attempted.provider
    if call.operation != "generate":
        return Plain(call, attempted.applied, attempted.endpoint, attempted.target, attempted.asks_usage)
    if call.format == provider.name and _knows_names(call.document.values, provider):
        return _Chat(attempted) if call.format == CHAT else _Through(attempted, provider)
    return _Between(attempted, CLIENTS[call.format], provider)


def _knows_names(values: Mapping[str, Any], provider: ProviderSide) -> bool:
    """Return whether the provider accepts the client's function names. Otherwise the request is written with other
    names."""
    spelling = provider.tool_name
    return "tools" not in values or spelling is None or are_taken(values, spelling)


class _Chat:
    """Chat completions on both sides."""

    __slots__ = ("_attempted",)

    def __init__(self, attempted: Attempted) -> None:
        self._attempted = attempted

    def request(self) -> Request:
        attempted = self._attempted
        call, applied, endpoint, target = attempted.call, attempted.applied, attempted.endpoint, attempted.target
        moved = attempted.own != CHAT
        document = fitted_history(call.document, endpoint.origin.host, target.model, moved=moved)
        if document is not call.document:
            call = replace(call, document=document)
        return chat_request(call, applied.portable if moved else applied, endpoint, target, attempted.asks_usage)

    def whole(self, body: bytes) -> Whole:
        return inspected(read_answer(body), body, self._attempted.asks_json)

    def reader(self) -> StreamReader:
        kind = KeepingReader if self._attempted.asks_json else StreamReader
        return kind(self._attempted.call.wants_usage, self._attempted.endpoint.redactor())

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        attempted = self._attempted
        authors = Authors(attempted.applied, attempted.call.document.values, attempted.added)
        return authors.blamed(read_error(status, headers, body), body)


class _Through:
    """The same format on both sides: bytes pass unchanged and are inspected."""

    __slots__ = ("_attempted", "_provider")

    def __init__(self, attempted: Attempted, provider: ProviderSide) -> None:
        self._attempted = attempted
        self._provider = provider

    def request(self) -> Request:
        attempted, call = self._attempted, self._attempted.call
        path = attempted.endpoint.base_path + self._provider.path(attempted.target.model, call.stream)
        if call.query:
            path += ("&" if "?" in path else "?") + call.query
        try:
            if not attempted.endpoint.cloud_files:
                self._provider.check_files(call.document.values)
            changes = self._provider.amend(call.document, attempted.settings, attempted.target.model)
        except Untranslatable as error:
            raise _refused(error, attempted.target) from None
        samples = any(changes.get(name) is not None for name in _SAMPLING)
        headers = without_version(call.headers, self._provider) if samples else call.headers
        return attempted.endpoint.request(path, headers, call.document.render(changes))

    def whole(self, body: bytes) -> Whole:
        reply = self._provider.reply(body)
        return _whole(_with_echo(body, self._attempted), reply, self._attempted.asks_json, reply.id)

    def reader(self) -> Reader:
        return Reader(self._provider.parser(), None, _framer(self._attempted), self._attempted.asks_json)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        authors = Authors(self._attempted.applied, self._attempted.call.document.values)
        return authors.blamed(self._provider.error(status, headers, body), body)


class _Between:
    """Two formats."""

    __slots__ = ("_attempted", "_client", "_names", "_prompt", "_provider")

    def __init__(self, attempted: Attempted, client: ClientSide, provider: ProviderSide) -> None:
        self._attempted = attempted
        self._client = client
        self._provider = provider
        self._prompt: Prompt | None = None
        self._names: Mapping[str, str] = {}  # the client's names of functions, by those that were sent

    def request(self) -> Request:
        attempted = self._attempted
        try:
            if not attempted.endpoint.cloud_files:
                check_prompt(self._asked())
            written = self._provider.write(self._asked(), attempted.target.model)
        except Untranslatable as error:
            raise _refused(error, attempted.target) from None
        self._names = written.names
        members = _with_native(written.body, attempted.settings.native or {})
        if not attempted.asks_usage:
            members.pop("stream_options", None)
        body = encode(members).encode()
        headers = without_version(without_others(attempted.call.headers, self._provider), self._provider)
        return attempted.endpoint.request(attempted.endpoint.base_path + written.path, headers, body)

    def whole(self, body: bytes) -> Whole:
        try:
            reply = with_own_names(self._provider.reply(body), self._names)
        except ProviderError as error:
            raise _in_no_words(error) from None
        if reply.stop == "pause" and not reply.parts:
            raise ProviderError("malformed", "the provider's answer is not finished")
        return _whole(self._client.reply(reply, self._envelope()), reply, self._attempted.asks_json)

    def reader(self) -> Reader:
        framer = self._provider.facts.framer()
        parser = self._provider.parser()
        if self._names:
            parser = OwnNames(parser, self._names)
        return Reader(parser, self._client.writer(self._envelope()), framer, self._attempted.asks_json)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        error = self._authors().blamed(self._provider.error(status, headers, body), body)
        shape = self._provider.facts.error_shape
        is_known = shape is not None and shape == self._client.facts.error_shape
        return error if is_known else _in_no_words(error)

    def _asked(self) -> Prompt:
        if self._prompt is None:
            self._prompt = overlay(replace(self._read(), stream=self._attempted.call.stream), self._attempted.settings)
        return self._prompt

    def _read(self) -> Prompt:
        """Return the client's request in the neutral form."""
        return self._client.prompt(self._attempted.call.document.values)

    def _authors(self) -> Authors:
        attempted = self._attempted
        return Authors(attempted.applied, attempted.call.document.values, attempted.added, self._read())

    def _envelope(self) -> Envelope:
        call = self._attempted.call
        created, echo = int(self._attempted.unix()), prompt_of(call, self._attempted.applied.version.name)
        return Envelope(call.id, self._attempted.target.model, created, self._asked(), call.keep_items, echo)


def _framer(attempted: Attempted) -> Framer:
    """Return what cuts a stream that goes through, and puts in the prompt that the request named."""
    echo, prompt = CLIENTS[attempted.call.format].facts.echo, prompt_of(attempted.call, attempted.applied.version.name)
    return SseFramer() if echo is None or prompt is None else EchoFramer(SseFramer(), echo, prompt)


def _with_echo(body: bytes, attempted: Attempted) -> bytes:
    """Return an answer that goes through, with the prompt that the request named."""
    echo, prompt = CLIENTS[attempted.call.format].facts.echo, prompt_of(attempted.call, attempted.applied.version.name)
    return body if echo is None or prompt is None else echo.in_answer(body, prompt)


def _with_native(body: Mapping[str, Any], native: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the version's own members put in; an object is laid over an object."""
    merged = dict(body)
    for name, value in native.items():
        there = merged.get(name)
        merged[name] = {**there, **value} if isinstance(there, dict) and isinstance(value, dict) else value
    return merged


def _refused(error: Untranslatable, target: Target) -> ProviderError:
    return ProviderError("untranslatable", f"{target}: {error.message}", param=error.param)


def _in_no_words(error: ProviderError) -> ProviderError:
    """The error without the provider's own body, which is in a shape that the client does not know."""
    error.body = None
    if error.kind == "status" and error.status == _RATE_LIMITED:
        error.type, error.code = "rate_limit_error", "rate_limit_exceeded"
    elif error.kind == "status" and error.status < _THEIR_FAULT:
        error.type, error.code = "invalid_request_error", None
    return error


def _whole(body: bytes, reply: Reply, asks_json: bool, answer_id: str = "") -> Whole:
    """Return the answer as the client gets it. Its id is told where the client may continue the provider's answer."""
    calls = [part for part in reply.parts if isinstance(part, ToolCall)]
    tools = tuple(requested(call.id, call.name) for call in calls[:MOST_TOOLS])
    are_good = all(are_json(call.arguments) for call in calls)
    text = "".join(part.text for part in reply.parts if isinstance(part, Text)) if asks_json else None
    output = AnswerOutput(tuple(call.arguments for call in calls[:MOST_TOOLS]), text) if calls or asks_json else None
    end = end_of(reply.stop, tools, answer_id, _is_empty(reply), output)
    return Whole(body, reply.usage, are_good, reply.refused, end, reply.id, reply.model)


def _is_empty(reply: Reply) -> bool:
    """Return whether an answer is nothing, thoughts aside; what no part stands for has taken tokens."""
    if any(not isinstance(part, Reasoning) and not (isinstance(part, Text) and not part.text) for part in reply.parts):
        return False
    return reply.usage is None or reply.usage.output - reply.usage.reasoning <= FEW_TOKENS
