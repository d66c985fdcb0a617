"""The endpoints that make a model answer: a request becomes a Call.

Each wire format of clients has one, at the paths of its `Door`. Only what routing needs is read here; the rest of a
request is read by who must translate it, or by the provider.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from gateway.api.endpoint import Endpoint, Services, caller_of, given_id, named, read_body
from gateway.call.answer_listener import WholeAnswerListener
from gateway.calls import Call, Caller, Operation
from gateway.conversation import (
    AFFINITY_HEADER,
    CONVERSATION_HEADERS,
    NAMING_HEADERS,
    SESSION_HEADERS,
    SUB_AGENT_HEADER,
    TRACE_HEADER,
)
from gateway.errors import CallerError, UnsupportedBody, UpgradeRefused
from gateway.formats.door import References
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.protocol import ClientSide
from gateway.formats.registry import CLIENTS
from gateway.headers import query_to_provider, to_provider, without_names
from gateway.json_body import Document
from gateway.models.foreign_targets import check_names, check_target, check_tools
from gateway.net.asgi import Receive, Scope, Send
from gateway.prompts.names import NamedPrompt, refuse_unknown
from gateway.prompts.request_values import HEADER, INPUTS, PROMPT, VARIABLES, values_in, without_members
from gateway.runtime import Runtime
from routing.models import MODELS

NamedHeaders = Mapping[bytes, bytes]  # by lower-case name
_NO_FACTS: Mapping[str, str] = MappingProxyType({})
NAMES_IN_QUERY = ("model", "agent")  # what an agent is called in a query


# What routing must know of a request: the name in `model`, and whether to stream.
Asked = tuple[str, bool]


class Generation(Endpoint):
    """A model's answer, whole or as a stream."""

    methods: tuple[str, ...] = ("POST",)
    operation: Operation = "generate"
    _fills = True  # whether versions put their prompts into these requests

    def __init__(self, services: Services, client: ClientSide = CLIENTS[CHAT]) -> None:
        super().__init__(services, client)
        self._is_stored = client.facts.stored
        self._is_prompted = client.door.prompted is not None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await self.read_call(scope, receive)
        if self.services.runtime.doorkeeper.has_limited:
            send = self.learning_maker(call, send)
        await self.services.proxy.handle(call, self.services.runtime, send)  # as it is now, like the table

    async def read_call(self, scope: Scope, receive: Receive) -> Call:
        """The request as a call. Raises CallerError."""
        headers = named(scope)
        caller = caller_of(scope)
        check_encoding(headers)
        body = receive.whole() or await read_body(receive)  # as a rule it is all there
        # Not before: how fast a client sends says nothing about a version.
        received_at = self.services.proxy.clock.monotonic()
        document = Document.parse(body, self.services.runtime.values_limit)
        if (references := self.client.door.references) is not None:
            document = await self.with_items(document, caller, references)
        self.check(document.values, body, caller)
        return self._call(scope, headers, document, caller, received_at)

    def check(self, values: Mapping[str, Any], body: bytes, caller: Caller) -> None:
        """Raise CallerError where a call names what its key may not reach, or chooses its model past `model`."""
        check_target(values)
        if caller.is_limited:
            check_tools(values)
            self.services.makers.check_call(body, values, caller)

    async def with_items(self, document: Document, caller: Caller, references: References) -> Document:
        """Return the request with the items of earlier answers that it names by their ids. Raises CallerError."""
        names = references.named(document.values)
        if not names:
            return document
        items, runtime = await self.services.items.find(caller.name, names), self.services.runtime
        return references.put_in(document, items, runtime.body_limit, runtime.values_limit)

    def learning_maker(self, call: Call, send: Send) -> Send:
        """Return what sends the answer and notes whose it is, where it may be asked for by its id."""
        if self._is_stored is None or not self._is_stored(call.document.values):
            return send
        find_id = self.client.facts.answer_id

        def learn(head: bytes, _tail: bytes | None) -> None:
            if answer := find_id(head):
                self.services.makers.learn_answer(answer, call.caller)

        return WholeAnswerListener(send, learn)

    def asked(self, scope: Scope, values: Mapping[str, Any]) -> Asked:
        """Read what routing must know. Raises CallerError."""
        door = self.client.door
        name, stream = door.asked(scope.get("path_params", _NO_FACTS), values)
        model, streams = model_of(name), _stream(stream)
        if door.array is not None:
            _check_array(values, door.array)
        return model, streams

    def _call(
        self, scope: Scope, headers: NamedHeaders, document: Document, caller: Caller, received_at: float
    ) -> Call:
        runtime = self.services.runtime
        prompt = self._named_prompt(document.values) if PROMPT in document.values else None
        if prompt is not None:
            document = prompt.put_into(document, self.client.door.prompted or "")
        name, stream = self.asked(scope, document.values)
        agent, pin, _ = runtime.names.find(name, caller)
        values: Mapping[str, Any] | None = None
        if agent in runtime.prompts.agents_with_inputs or prompt is not None or VARIABLES in document.values:
            document, values = self._take_values(document, headers, agent, prompt)
        nonce = self.services.new_nonce()
        wants_usage = _wants_usage(document.values.get("stream_options"))
        sent = to_provider(scope["headers"], runtime.forward)
        query = _query_of(scope["query_string"]) if self.client.door.keeps_query else ""
        # By position, and what is left over one by one: to pass 19 names to a class takes 1 % of a call.
        call = Call(
            nonce.hex(), caller, agent, pin, document, stream, wants_usage, sent, query, received_at,
            format=self.client.name,
        )  # fmt: skip
        call.nonce, call.request_id, call.operation = nonce, given_id(headers), self.operation
        call.fingerprint_key, call.facts_headers = runtime.fingerprint_key, _facts_headers(headers, runtime)
        call.values = values
        if prompt is not None:
            call.prompt = prompt.echo
        if self.client.facts.keeps_answer is not None:
            self.services.proxy.recorder.chained.expect(call)
        if self.client.door.references is not None and document.values.get("store") is not False:
            call.keep_items = partial(self.services.items.keep, caller.name)
        if not NAMING_HEADERS.isdisjoint(headers):
            call.conversation_header = _first(headers, CONVERSATION_HEADERS)
            call.session_header = _first(headers, SESSION_HEADERS)
            call.affinity_header = _first(headers, (AFFINITY_HEADER,))
            call.trace_parent, call.sub_agent = _first(headers, (TRACE_HEADER,)), _first(headers, (SUB_AGENT_HEADER,))
        return call

    def _named_prompt(self, values: Mapping[str, Any]) -> NamedPrompt | None:
        """Return the agent's prompt that a request names, where its format has such a member. Raises CallerError."""
        return self.services.runtime.prompts.find(values) if self._fills and self._is_prompted else None

    def _take_values(
        self, document: Document, headers: NamedHeaders, agent: str, prompt: NamedPrompt | None
    ) -> tuple[Document, Mapping[str, Any] | None]:
        """Return the request without the values of its prompt's variables, and these. Raises CallerError."""
        if not self._fills or agent == MODELS:
            return document, None
        if agent not in self.services.runtime.prompts.agents_with_inputs:
            return without_members(document, (VARIABLES,)), None
        named = None if prompt is None else prompt.variables
        if prompt is None and self._is_prompted:
            refuse_unknown(document.values)
        values = values_in(document, named, headers.get(HEADER))
        return without_members(document, (VARIABLES, INPUTS)), values

    def _check_method(self, scope: Scope) -> None:
        """Raise UpgradeRefused for a WebSocket, where the format's clients try one first."""
        if self.client.door.tries_websocket and scope["method"] == "GET" and _wants_websocket(named(scope)):
            raise UpgradeRefused(f"{scope['path']} over WebSocket is not offered; send POST with stream: true")
        super()._check_method(scope)


class _Plain(Generation):
    """An endpoint of OpenAI's without a conversation."""

    _fills = False

    def asked(self, scope: Scope, values: Mapping[str, Any]) -> Asked:
        return model_of(values.get("model")), _stream(values.get("stream"))


class Completions(_Plain):
    """OpenAI's completions, of before there were chats."""

    operation = "completions"


class Embeddings(_Plain):
    """OpenAI's embeddings."""

    operation = "embeddings"

    def asked(self, scope: Scope, values: Mapping[str, Any]) -> Asked:
        name, stream = super().asked(scope, values)
        if stream:
            raise CallerError("embeddings do not stream", param="stream")
        return name, stream


def _wants_websocket(headers: NamedHeaders) -> bool:
    """Return whether the request asks for another protocol. The server drops `upgrade` if `connection` names it."""
    asked = (headers.get(b"connection", b""), headers.get(b"upgrade", b""))
    return b"sec-websocket-key" in headers or any(
        b"upgrade" in each.lower() or b"websocket" in each.lower() for each in asked
    )


def _query_of(query: bytes) -> str:
    """Return a query for the provider. Raises CallerError where it would choose another model, account or address."""
    if not query:
        return ""
    passed = query_to_provider(query)  # without whatever is a key
    check_names(name for name, _ in parse_qsl(passed, keep_blank_values=True))
    return without_names(passed, NAMES_IN_QUERY)


def check_encoding(headers: NamedHeaders) -> None:
    """Raise UnsupportedBody for a body in a content encoding."""
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedBody("send the body without a content encoding")


def model_of(value: Any) -> str:
    """The name of an agent or a model, as the client wrote it. Raises CallerError."""
    if not isinstance(value, str) or not value:
        raise CallerError("'model' is missing or is not a string: name an agent", param="model")
    return value


def _stream(value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise CallerError("'stream' must be true or false", param="stream")


def _check_array(values: Mapping[str, Any], name: str) -> None:
    if not isinstance(values.get(name), list):
        raise CallerError(f"'{name}' is missing or is not an array", param=name)


def _wants_usage(options: Any) -> bool:
    return isinstance(options, dict) and options.get("include_usage") is True


def _first(headers: NamedHeaders, names: Iterable[bytes]) -> str:
    return next((value.decode("latin-1") for name in names if (value := headers.get(name))), "")


def _facts_headers(headers: NamedHeaders, runtime: Runtime) -> Mapping[str, str]:
    if not runtime.facts_headers:
        return _NO_FACTS
    found = runtime.facts_headers & headers.keys()
    return {name.decode("latin-1"): headers[name].decode("latin-1") for name in found}
