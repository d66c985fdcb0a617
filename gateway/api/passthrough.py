"""Forward every other `/v1/*` endpoint of OpenAI's API to a provider that offers it.

Which one: the agent's that `model` names, in a JSON body, in a form, or in the query; without a name, the only
provider that speaks OpenAI's API.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, quote

from gateway.api.endpoint import Services, caller_of, given_id, header, named
from gateway.api.generation import NAMES_IN_QUERY, Asked, Generation, check_encoding, model_of
from gateway.api.near_misses import lenient_segments
from gateway.calls import Caller
from gateway.errors import LONGEST_SHOWN, Forbidden, Headers, NotFound, UnsupportedBody
from gateway.formats.door import References
from gateway.formats.marks import is_ours
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.protocol import ClientSide
from gateway.formats.registry import CLIENTS
from gateway.headers import of_type, query_to_provider, without_names
from gateway.json_body import Document, encode
from gateway.models.foreign_targets import check_names, check_target, check_tools
from gateway.net.asgi import Message, MessageSend, Receive, Scope, Send
from gateway.passthrough.forwarder import Forwarder
from gateway.passthrough.makers import texts_of, texts_of_target
from gateway.passthrough.nested_models import check_nested
from gateway.passthrough.providers import OPENAI, ForwardedApi
from gateway.passthrough.upload_session import UploadSide
from gateway.passthrough.uploads import (
    FormStream,
    Held,
    Incoming,
    Stream,
    UploadBody,
    has_default_model,
    takes_raw_bytes,
)
from gateway.passthrough.wanted import Wanted
from gateway.runtime import Runtime
from routing.chain import Target

_PREFIX = "/v1"
_NOT_MADE = 300  # statuses from here on say that nothing was made
_READ_BYTES = 64 * 1024  # of an answer to find an id in; what is made is told in less
_SAFE = "/:@!$&'()*+,;=-._~"  # RFC 3986, 3.3: what a path may hold as it is
# An account's keys, users and bills are the operator's; `realtime` and `chatkit` make keys that open the provider past
# the gateway; `engines` and `deployments` name a model in the path; Anthropic's endpoints are not OpenAI's.
_NOT_PASSED = frozenset({"", "organization", "dashboard", "realtime", "chatkit", "engines", "deployments", "messages"})
# What is made here runs models that are named in files, in members of members, or by what was made before.
_RUNS_ANY_MODEL = frozenset({"assistants", "batches", "evals", "fine_tuning", "threads"})
# What a key that is for some agents reaches, spelled exactly so. Other providers have operators' endpoints of any name
# (`/key`, `/credits`, `/load_lora_adapter`), and ways to run models of any name (`/batch/jobs`, `/agents/completions`).
_FOR_SOME_AGENTS = frozenset(
    {"audio", "containers", "conversations", "files", "images", "moderations", "responses", "skills", "uploads"}
    | {"vector_stores", "videos"}
)
_STORED_CALLS = ["chat", "completions"]
_LONGEST_PATH = 256  # characters that are told of a path
READING = ("GET", "HEAD", "DELETE")
# What no API's path holds: control characters, and an escape behind the first decoding.
_TWOREADINGS = re.compile(r"[\x00-\x1f\x7f-\x9f]|%[0-9A-Fa-f]{2}")

_OPAQUE = frozenset({"files", "uploads"})  # whose bytes name nothing that is stored


class Passthrough(Generation):
    """Every endpoint of OpenAI's API that the gateway does not serve itself."""

    methods: tuple[str, ...] = ("DELETE", "GET", "PATCH", "POST", "PUT")
    operation = "passed"

    def __init__(self, services: Services, client: ClientSide = CLIENTS[CHAT], api: ForwardedApi = OPENAI) -> None:
        super().__init__(services, client)
        self._forwarder = Forwarder(services.proxy, services.log, api)

    def admit(self, caller: Caller, method: str, path: str) -> str:
        """Return where a request goes behind the provider's base path. Raises NotFound, Forbidden."""
        found = _path(path)
        _check_scope(caller, method, path)
        return found

    def agent_in(self, path: str) -> str | None:
        """Return the agent that the path names; None where paths name none."""
        return None

    def shaped(self, body: UploadBody) -> UploadBody:
        """Return the body as this API names models in it."""
        return body

    def may_nest_models(self, path: str) -> bool:
        """Return whether a body sent to that path, behind the prefix, may name models within its members."""
        return _first(_PREFIX + path) in _RUNS_ANY_MODEL

    def session(self, scope: Scope, path: str) -> UploadSide | None:
        """Return what is special about an upload that the request begins; None where it begins none."""
        return None

    def further(self, scope: Scope) -> Headers:
        """Return further headers of the client's that go to the provider."""
        return ()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = self.services.runtime
        headers = named(scope)
        caller = caller_of(scope)
        path = self.admit(caller, scope["method"], scope["path"])
        check_encoding(headers)
        self._check_countable(caller, scope["method"], path)
        agent, in_path = _named_in_query(scope), self.agent_in(scope["path"])
        incoming = incoming_of(receive, scope)
        send = ClosingSend(send, incoming)
        body = self.shaped(await _body(incoming, scope, path, runtime, agent is not None))
        if isinstance(body, Held) and body.document is not None and self.may_nest_models(path):
            check_nested(body.document.values, partial(_model_behind, runtime))
        if isinstance(body, Held) and body.document is not None and (references := _references(scope["path"])):
            body = await self._without_ours(body, body.document, caller, references)
        if caller.is_limited and isinstance(body, Stream) and path.split("/")[1] not in _OPAQUE:
            raise UnsupportedBody("this key is limited to some agents: send application/json or a form here")
        wanted = Wanted(
            id=self.services.new_nonce().hex(),
            request_id=given_id(headers),
            method=scope["method"],
            path=path,
            query=without_names(query_to_provider(scope["query_string"]), NAMES_IN_QUERY),
            headers=[*of_type(scope["headers"], runtime.forward, body.content_type), *self.further(scope)],
            body=body,
            at=monotonic(),
            session=self.session(scope, path),
        )
        asked = _Asked(wanted, body)
        self.services.makers.check(asked, caller)
        if caller.is_limited and isinstance(body, Held) and body.document is not None:
            check_tools(body.document.values)
        if scope["method"] == "POST" and asked.is_known:
            send = AnswerReader(send, partial(self.services.makers.learn, caller=caller, asked=asked))
        kind = headers.get(b"content-type") or b""
        document = _naming(body, agent, kind) if in_path is None else _document(in_path, b"")
        if document is None:
            await self._forwarder.at_the_only(wanted, caller, runtime, send)
            return
        call = self._call(scope, headers, document, caller, wanted.at)
        call.endpoint = f"{scope['method']} {scope['path'][:_LONGEST_PATH]}"
        await self._forwarder.handle(call, wanted, self.services.runtime, send)  # as it is now, like the table

    def _check_countable(self, caller: Caller, method: str, path: str) -> None:
        """Raise Forbidden where a key with a budget would run models whose tokens nobody here sees."""
        if method in READING or not self.may_nest_models(path) or not self.services.proxy.limits.spends(caller):
            return
        shown = path.split("/")[1][:LONGEST_SHOWN]
        raise Forbidden(f"this key has a budget, and what {shown!r} runs cannot be counted here", code="uncountable")

    async def _without_ours(self, body: Held, given: Document, caller: Caller, references: References) -> Held:
        """Return a body without ids and seals of ours, which stand for nothing at the provider. Raises CallerError."""
        document = references.without_ours(await self.with_items(given, caller, references))
        return body if document is given else replace(body, data=document.render({}), document=document)

    def asked(self, scope: Scope, values: Mapping[str, Any]) -> Asked:
        return model_of(values.get("model")), values.get("stream") is True


@dataclass(frozen=True, slots=True)
class _Asked:
    """The texts of a request: path, query and JSON body."""

    wanted: Wanted
    body: UploadBody

    def __iter__(self) -> Iterator[str]:
        yield from texts_of_target(self.wanted.path, self.wanted.query)
        if isinstance(self.body, Held) and self.body.document is not None:
            yield from texts_of(self.body.document.values)

    @property
    def is_known(self) -> bool:
        """Return whether these texts name all existing objects: a body that is not held goes to a collection."""
        return isinstance(self.body, Held) or self.wanted.path.count("/") == 1


class ClosingSend(MessageSend):
    """Send an answer; close the connection where the answer begins before the whole request was read."""

    def __init__(self, send: Send, incoming: Incoming) -> None:
        super().__init__(send)
        self._incoming = incoming

    def __call__(self, message: Message, /) -> Awaitable[None]:
        if not self._incoming.whole and message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        return super().__call__(message)


class AnswerReader(MessageSend):
    """Send an answer, and give a small JSON answer that names a created object to its reader."""

    def __init__(self, send: Send, read: Callable[[bytes], None]) -> None:
        super().__init__(send)
        self._read = read
        self._keeps = False
        self._kept = b""

    def __call__(self, message: Message, /) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self._keeps = message["status"] < _NOT_MADE and (b"content-type", b"application/json") in [
                (name, value[:16].lower()) for name, value in message["headers"]
            ]
        elif self._keeps:
            self._kept += message.get("body", b"")
            self._keeps = len(self._kept) <= _READ_BYTES
            if self._keeps and not message.get("more_body", False):
                self._read(self._kept)
        return super().__call__(message)


def _references(path: str) -> References | None:
    """Return how requests to that path name items of earlier answers; None where they name none."""
    parent = path.rpartition("/")[0]
    for side in CLIENTS.values():
        if parent in side.door.paths:
            return side.door.references
        for pattern, references in side.door.other_references:
            if pattern.fullmatch(path):
                return references
    return None


def _path(path: str) -> str:
    """Return the part after `/v1`, as it goes upstream. Raises NotFound for paths that are not passed through."""
    segments = path.removeprefix(_PREFIX + "/").split("/")
    if may_be_misread(path) or not segments[0] or _first(path) in _NOT_PASSED:
        raise NotFound(f"there is nothing at {path[:LONGEST_SHOWN]!r}", code="unknown_url")
    if segments[0] == "responses" and any(map(is_ours, segments[1:2])):
        raise NotFound(f"Response with id {segments[1]!r} not found: answers written here are not stored", param="id")
    return spelled("/" + "/".join(segments))


def may_be_misread(path: str) -> bool:
    """Return whether servers may differ on a path, or the path may leave the provider's base URL."""
    return _TWOREADINGS.search(path) is not None or any(map(_leads_astray, path.split("/")))


def spelled(path: str) -> str:
    """Return a decoded path as it is sent."""
    return quote(path, safe=_SAFE)


def _first(path: str) -> str:
    """The first segment behind `/v1`, as the most lenient server would read it."""
    return next(iter(lenient_segments(path)[1:]), "")


def _check_scope(caller: Caller, method: str, path: str) -> None:
    """Raise Forbidden where a key limited to some agents would reach an operator's endpoint or run other models."""
    if not caller.is_limited:
        return
    segments, read = path.split("/")[2:], _first(path)
    if read in _RUNS_ANY_MODEL and method not in READING:
        raise Forbidden(f"this key is limited to some agents, and '/v1/{read}' runs any model")
    if segments[0] not in _FOR_SOME_AGENTS | _RUNS_ANY_MODEL and segments[:2] != _STORED_CALLS:
        shown = segments[0][:LONGEST_SHOWN]
        raise Forbidden(f"this key is limited to some agents and may not use '/v1/{shown}'")


def _leads_astray(segment: str) -> bool:
    """Return whether the path might leave the provider's base URL, together with the gateway's key."""
    return segment.partition(";")[0] in (".", "..") or "\\" in segment


def incoming_of(receive: Receive, scope: Scope) -> Incoming:
    length = header(scope, b"content-length")
    is_chunked = header(scope, b"transfer-encoding") is not None
    return Incoming(receive, None if length is None else int(length), is_chunked)


async def _body(incoming: Incoming, scope: Scope, path: str, runtime: Runtime, is_named: bool) -> UploadBody:
    """Return the body with its model found. Only JSON must be held for that. Raises CallerError.

    What is neither JSON nor a form is passed where no body names a model, and nowhere else: a provider may read JSON
    whatever it is called, and would run any model on the gateway's key.
    """
    content_type = header(scope, b"content-type") or b""
    kind = content_type.partition(b";")[0].strip().lower()
    if incoming.whole:
        return Held()
    if kind == b"multipart/form-data":
        form = FormStream(incoming, content_type, path, named_elsewhere=is_named)
        await form.look(runtime.body_limit)
        return form
    if kind not in (b"", b"application/json") and not takes_raw_bytes(path):
        raise UnsupportedBody(
            f"content type {kind[:80].decode('latin-1')!r} is not accepted here: send application/json or a form"
        )
    if kind != b"application/json" and takes_raw_bytes(path):
        return Stream(incoming)
    data = await incoming.read(runtime.body_limit)
    return (
        Held(data, _document_of(data, runtime.values_limit), is_named and has_default_model(path)) if data else Held()
    )


def _document_of(data: bytes, most_values: int) -> Document:
    """The body as JSON. Raises CallerError for one that a provider may take another model or account from."""
    document = Document.parse(data, most_values)
    check_target(document.values)
    return document


def _model_behind(runtime: Runtime, name: str) -> Target | None:
    """Return the target of an agent's stable version; None for other names, and for those of its models."""
    agent = runtime.names.agent_in(name)
    if agent is None or any(version.target.model == name for version in agent.versions.values()):
        return None
    return agent.versions[agent.stable].target


def _named_in_query(scope: Scope) -> str | None:
    """Return the agent that the query names. Raises CallerError for a name that would choose another target."""
    given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    check_names(given)
    return next((given[name] for name in NAMES_IN_QUERY if name in given), None)


def _naming(body: UploadBody, named: str | None, content_type: bytes) -> Document | None:
    """Return what routing reads of the request, if it names an agent; the body comes first."""
    if isinstance(body, Held) and body.document is not None and body.names_model:
        return body.document
    if isinstance(body, FormStream):
        # A form's boundary is drawn anew for each call, and so stands for what the call is about.
        model = body.model if body.model is not None else named
        return None if model is None else _document(model, content_type)
    return None if named is None else _document(named, b"")


def _document(model: str, subject: bytes) -> Document:
    return Document({"model": model}, {"model": encode(model), "input": encode(subject.decode("latin-1"))})
