"""The base of all endpoints: the services they use, the caller, the whole body, an error as an answer.

Every request takes the same steps: method, authentication by its head alone, a place among those that are answered at
once, and only then its body.
"""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from time import monotonic

import orjson

from gateway.api.admission import SharedPlaces, UnprovenReaders
from gateway.api.refusal_log import RefusalLog
from gateway.api.shed_answers import ShedAnswers
from gateway.api.socket_memory import SocketMemories
from gateway.auth import OPEN
from gateway.call.kept_items import KeptItems
from gateway.call.proxy import ID_HEADERS, Proxy, failed_by_header, id_headers, limit_headers, send_error
from gateway.call.streaming import send_answer
from gateway.calls import Caller
from gateway.errors import (
    BodyTooLarge,
    GatewayError,
    Headers,
    MethodNotAllowed,
    Overloaded,
    SerinusError,
    StoreAway,
    Unauthenticated,
    UpgradeRefused,
)
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.protocol import ClientSide
from gateway.formats.registry import CLIENTS
from gateway.live_judge.live_judge import LiveJudge
from gateway.logs import Log
from gateway.net.asgi import Message, MessageReceive, MessageSend, PlainReceive, PlainSend, Receive, Scope, Send
from gateway.net.server.body import RequestBody
from gateway.net.server.disconnect import EXTENSION, Departure
from gateway.net.server.exchange import Exchange
from gateway.overload.places import FairPlaces
from gateway.overload.watch import OverloadWatch
from gateway.passthrough.makers import Makers
from gateway.review.parts import CountingParts, Reviews, reviews
from gateway.rollout.commands import Commands
from gateway.rollout.controller import Controller
from gateway.rollout.status import StatusBuilder
from gateway.rollout.table import Table
from gateway.runtime import Runtime
from gateway.store.memory import Memory
from gateway.store.seam import Store
from gateway.telemetry.call_counts import CallCounts
from gateway.telemetry.samples import Samples
from gateway.timings import USUAL, Timings
from gateway.traces.reader import TraceReader

NAMED = "serinus.headers"  # where the server, or else the first look, puts the headers by name into the scope
CALLER = "serinus.caller"  # where the authentication puts who sent the request into the scope
MOST_STATUS_READERS = 64  # views of the status at once: a reserve beside the calls, which do not use it up
MOST_STATUS_READERS_OF_A_KEY = 8  # of these: a view that takes 50 ms makes an operator's at most so many times later
# Bodies of signed replies that are read at once, and for how many seconds: 32 x 512 KiB of memory at most.
MOST_UNPROVEN, UNPROVEN_SECONDS = 32, 5.0
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_JSON = (b"content-type", b"application/json")


async def _alone(report: Samples) -> list[Samples]:
    """Return the reports of all workers where there is one."""
    return [report]


@dataclass(slots=True)
class Services:
    """The running gateway as endpoints see it. `runtime` is swapped whole when the configuration changes.

    `config_error` says what is wrong with the files, None when they are well. `calls` are the places of authenticated
    calls, `sockets` those of open WebSockets, whose `memories` are bounded together; `overload` watches both.
    `status_readers` are those of the status; `unproven` reads what only its signature authenticates. `makers` knows who
    made what is stored at providers, `items` what earlier answers held. `judge` grades live calls, `reviews` has what
    people review.
    """

    runtime: Runtime
    table: Table
    proxy: Proxy
    controller: Controller
    commands: Commands
    status: StatusBuilder
    store: Store
    memory: Memory
    log: Log
    replica: str
    backend: str
    loaded_at: float
    items: KeptItems
    traces: TraceReader
    overload: OverloadWatch
    config_error: Callable[[], str | None] = lambda: None
    draining: bool = False
    calls: FairPlaces = field(init=False)
    sockets: FairPlaces = field(init=False)
    memories: SocketMemories = field(default_factory=SocketMemories)
    status_readers: SharedPlaces = field(init=False)
    unproven: UnprovenReaders = field(default_factory=lambda: UnprovenReaders(MOST_UNPROVEN, UNPROVEN_SECONDS))
    makers: Makers = field(default_factory=Makers)
    counts: CallCounts = field(default_factory=CallCounts)
    judge: LiveJudge = field(init=False)
    collect_reports: Callable[[Samples], Awaitable[list[Samples]]] = _alone
    timings: Timings = USUAL
    reviews: Reviews = field(init=False)
    refusals: RefusalLog = field(init=False)
    nonces: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.calls, self.sockets = self.overload.calls, self.overload.sockets
        views, views_of_a_key = MOST_STATUS_READERS, MOST_STATUS_READERS_OF_A_KEY
        self.status_readers = SharedPlaces(views, views_of_a_key, "views of the status open")
        self.refusals = RefusalLog(self.log, monotonic)
        counting = CountingParts(
            self.store, self.table, self.proxy.recorder, lambda: self.runtime, self.log, self.timings
        )
        self.reviews = reviews(counting, self.traces.writer.contents)
        self.nonces = itertools.count(int(self.replica[:8], 16) << 32)

    def note_refusal(self, refusal: SerinusError, path: str, client: str) -> str:
        """Note what the server itself refused; return the id for its answer."""
        id_ = self.new_nonce().hex()
        self.refusals.note_at_server(refusal, path, client, id_)
        if isinstance(refusal, Overloaded):
            self.overload.calls.shed["connections"] += 1
        return id_

    def new_nonce(self) -> bytes:
        """Eight bytes that no other call has: some of the replica's id, and a count."""
        return next(self.nonces).to_bytes(8, "big")


Handler = Callable[[Scope, PlainReceive, PlainSend], Awaitable[None]]


class Endpoint:
    """An ASGI endpoint: its methods, errors in its clients' wire format, and work that ends when the client leaves."""

    methods: tuple[str, ...] = ("GET",)
    is_page = False  # whether a browser may open it in a tab

    def __init__(self, services: Services, client: ClientSide = CLIENTS[CHAT]) -> None:
        """Serve clients that speak that format: our own endpoints speak as OpenAI's do."""
        self.services = services
        self.client = client
        self.key_headers = client.facts.key_headers
        self._sheds = ShedAnswers(client.name, self._error_headers)

    async def __call__(self, scope: Scope, receive: PlainReceive, send: PlainSend) -> None:
        extensions = scope.get("extensions")
        departure: Departure | None = extensions.get(EXTENSION) if extensions else None
        answer: Send
        if isinstance(send, Exchange):  # the server's own, which knows its task: to ask the loop costs a system call
            answer, task = send, send.task or asyncio.current_task()
        else:
            answer, task = MessageSend(send), asyncio.current_task()
        if departure is not None and task is not None:
            departure.when_gone(task.cancel)
        try:
            try:
                if scope["method"] not in self.methods:
                    self._check_method(scope)
                scope[CALLER] = caller = self.authenticate(scope)
                body = receive if isinstance(receive, RequestBody) else MessageReceive(receive)
                if caller is None:
                    await self.serve(scope, body, answer)
                else:
                    with self.places(caller):
                        await self.serve(scope, body, answer)
            except Exception as error:
                await self._fail(scope, answer, error)
        except asyncio.CancelledError:
            if departure is None or not departure.gone or task is None:
                raise
            task.uncancel()
        finally:
            if departure is not None:
                departure.forget()

    def authenticate(self, scope: Scope) -> Caller | None:
        """Return who sent the request, by its head alone; None for operators, and where anyone may ask.

        A caller's request takes one of `places`, any other none. Raises Unauthenticated, Forbidden.
        """
        headers = named(scope)
        if not self.key_headers:
            return self.caller(headers, headers.get(b"authorization"))
        *others, last = self._credentials(headers)
        for credential in others:  # clients send a key of another provider's beside ours: any that is ours will do
            with suppress(Unauthenticated):
                return self.caller(headers, credential)
        try:
            return self.caller(headers, last)
        except Unauthenticated as error:
            own = self.key_headers[0].decode()
            raise Unauthenticated(
                error.message.replace("'Authorization", f"'{own}: <key>' or 'Authorization")
            ) from None

    def caller(self, headers: Mapping[bytes, bytes], credential: bytes | None) -> Caller:
        """Return whose key this is; where no keys are configured, that of a program of this machine.

        Raises Unauthenticated, Forbidden.
        """
        runtime = self.services.runtime
        if runtime.guard is not None:
            runtime.guard.check(headers, may_be_opened=self.is_page)
        return runtime.doorkeeper.caller(credential)

    def places(self, caller: Caller) -> AbstractContextManager[None]:
        """Return the places of which the caller's request takes one."""
        return self.services.calls.of(caller.name)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request. May raise SerinusError before anything was sent."""
        raise GatewayError("not served")

    def _credentials(self, headers: Mapping[bytes, bytes]) -> list[bytes | None]:
        """Every key that a request carries, as a Bearer token; one that is None where it carries none."""
        own = headers.get(b"authorization")
        keys: list[bytes | None] = [b"Bearer " + key for name in self.key_headers if (key := headers.get(name))]
        return keys if own is None and keys else [*keys, own]

    def _check_method(self, scope: Scope) -> None:
        if scope["method"] != "HEAD" or "GET" not in self.methods:  # the server leaves the body of a HEAD out
            raise MethodNotAllowed(f"use {' or '.join(self.methods)} here")

    async def _fail(self, scope: Scope, send: Send, error: Exception) -> None:
        """Answer with the error; the outermost edge for bugs, which are logged with their trace and answer 500."""
        id_ = self.services.new_nonce().hex()
        if not isinstance(error, SerinusError):
            self.services.log.exception("bug", id=id_, path=scope["path"])
            if not send.begun:
                await self._send_error(scope, send, GatewayError("internal error"), id_)
        elif send.begun:
            raise error  # too late for a status: the server cuts the answer off
        else:
            self.services.refusals.note(error, scope, named(scope), id_, scope.get(CALLER))
            if isinstance(error, Overloaded):
                await self.services.calls.hold(caller_of(scope).name if CALLER in scope else "")
                await send_answer(send, *self._sheds.answer(error, id_, given_id(named(scope))))
                return
            await self._send_error(scope, send, error, id_, self._error_headers(error))

    async def _send_error(self, scope: Scope, send: Send, error: SerinusError, id_: str, headers: Headers = ()) -> None:
        """Answer with an error that became no call, under an id like a call's, and with the client's own."""
        name = self.client.name
        ids = [*id_headers(id_, given_id(named(scope))), failed_by_header(error), *limit_headers(error, name)]
        if own := ID_HEADERS.get(name):
            ids.append((own, id_.encode()))
        await send_error(send, error, [*headers, *ids], name, id_)

    def _error_headers(self, error: SerinusError) -> list[tuple[bytes, bytes]]:
        if isinstance(error, MethodNotAllowed):
            return [(b"allow", ", ".join(self.methods).encode())]
        if isinstance(error, UpgradeRefused):
            return [(b"upgrade", b"HTTP/1.1")]
        if isinstance(error, Unauthenticated):
            return [(b"www-authenticate", b"Bearer")]
        if isinstance(error, Overloaded | StoreAway):
            return [(b"retry-after", b"1")]
        return []


class OpenEndpoint(Endpoint):
    """An endpoint that anyone may ask and that is always answered: it reads no body and waits for nothing."""

    def authenticate(self, scope: Scope) -> Caller | None:
        return None


async def read_body(receive: Receive) -> bytes:
    """The whole request body. The server bounds its size and time. Raises CancelledError when the client left."""
    if (whole := receive.whole()) is not None:
        return whole
    message = await receive()
    if not message.get("more_body", False):
        return _part(message)
    parts = [_part(message)]
    while message.get("more_body", False):
        message = await receive()
        parts.append(_part(message))
    return b"".join(parts)


async def read_small(scope: Scope, receive: Receive, most: int) -> bytes:
    """Return the whole request body of at most `most` bytes. Raises BodyTooLarge, before the body is read if it can."""
    length = header(scope, b"content-length")
    if length is not None and int(length) > most:
        raise _too_large(most)
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(_part(message))
        size += len(parts[-1])
        if size > most:
            raise _too_large(most)
        more = message.get("more_body", False)
    return b"".join(parts)


def caller_of(scope: Scope) -> Caller:
    """Return who sent the request, as it was authenticated; an operator may do what an open gateway lets anyone do."""
    caller: Caller | None = scope[CALLER]
    return OPEN if caller is None else caller


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request's body is larger than {most} bytes.")


def named(scope: Scope) -> Mapping[bytes, bytes]:
    """The request's headers by lower-case name; of several, the first."""
    found: Mapping[bytes, bytes] | None = scope.get(NAMED)
    if found is None:
        found = scope[NAMED] = dict(reversed(list(scope["headers"])))
    return found


def given_id(headers: Mapping[bytes, bytes]) -> str:
    """The client's own `x-request-id`, or '' where it has none or an odd one. It is echoed, and names nothing here."""
    given = headers.get(b"x-request-id")
    return given.decode() if given is not None and _SANE_ID.fullmatch(given) else ""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of the request's header with that lower-case name, or None; the first of several."""
    return named(scope).get(name)


async def send_json(send: Send, value: object, status: int = 200) -> None:
    """Answer with JSON."""
    await send_answer(send, status, [_JSON], orjson.dumps(value))


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise asyncio.CancelledError
    body: bytes = message.get("body", b"")
    return body
