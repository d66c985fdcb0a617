"""The proxy: a call from its parsed request to its last byte, recorded exactly once."""

from asyncio import CancelledError
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache, partial

from gateway.call.answer_listener import AnswerListener
from gateway.call.attempt import Attempts, Run
from gateway.call.chain import FallbackChain
from gateway.call.content_listener import listen
from gateway.call.conversation_naming import ConversationNaming, NotHeardYet
from gateway.call.exposures import Exposures
from gateway.call.hedging import Hedges
from gateway.call.recording import Recording, end_by, name_call, relay_recorded
from gateway.call.shadow import Shadows
from gateway.call.streaming import ClientTooSlow, OpenStream, send_answer
from gateway.calls import Answer, ArmName, Call, FormatName, Outcome
from gateway.conversation import user_of
from gateway.errors import NOT_SENT, CallerError, Headers, OverLimit, ProviderError, SerinusError, UnknownModel
from gateway.formats.clients import error_body, error_event
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.registry import CLIENTS
from gateway.handover.human_replies import Replies
from gateway.headers import EVENT_STREAM, JSON, to_client_untyped
from gateway.limits.limits import Limits
from gateway.limits.reservations import Reservation
from gateway.net.asgi import Send
from gateway.net.server.lines import BegunHeaders, block
from gateway.overload.places import FairPlaces
from gateway.rollout.parties import is_of
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.table import Entry, Table
from gateway.runtime import Runtime
from routing.assignment import Reason
from routing.facts import Facts
from routing.models import MODELS
from routing.plan import Plan, route

_NANO = 1e9
# Where clients of a format look for an answer's id, beside `x-request-id`.
ID_HEADERS = {name: side.facts.id_header for name, side in CLIENTS.items() if side.facts.id_header}


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy serves calls from the table in memory and never waits for the store (but see decision 33)."""

    table: Table
    chain: FallbackChain
    attempts: Attempts
    recorder: Recorder
    shadows: Shadows
    clock: Clock
    replies: Replies
    hedges: Hedges
    exposures: Exposures
    conversations: ConversationNaming
    limits: Limits
    providers: FairPlaces

    async def handle(self, call: Call, runtime: Runtime, send: Send) -> None:
        """Serve the call. Raises CallerError and Overloaded before it has an id; later failures are answered here."""
        entry = self.entry_of(call)
        try:
            plan = self.plan_of(call, entry, True)
        except NotHeardYet as missing:
            await self.conversations.beginnings.under_way.hear_of(missing.unit)
            plan = self.plan_of(call, entry)
        if self.replies.known:
            self.replies.put_into(call)
        with self.providers.of(plan.version.target.provider):
            await self._serve(call, plan, entry, runtime, send)

    async def _serve(self, call: Call, plan: Plan, entry: Entry, runtime: Runtime, send: Send) -> None:
        """Serve a call that has its place."""
        held: Reservation | None = None
        if self.limits.is_on:
            version = plan.version
            canary = entry.split.canary
            held = self.limits.begin(
                call, version.target, entry.applied[version.name], runtime.prices, of_canary=version is canary
            )
            if held is not None and not held.is_whole:
                await self.limits.complete(held)
        with Recording(self.recorder, call, plan, entry, runtime.prices, held) as outcome:
            compared = outcome.arm is not None and entry.on_trial and not plan.held
            if compared:
                self.exposures.settle(outcome, plan, entry)
            name_call(call, outcome, runtime.fingerprint_key)
            if entry.agent.content is not None:
                send = listen(call, outcome, entry.agent.content, send, self.recorder.held)
            self.shadows.offer(call, plan, entry, runtime)
            timeouts = entry.agent.timeouts or runtime.timeouts
            deadline = call.received_at + timeouts.total
            applied = entry.applied[plan.version.name]
            run = Run(call, plan, applied, runtime, outcome, deadline, timeouts, compared=compared, held=held)
            if entry.agent.hedge is not None:
                run.first = self.hedges.first(run, entry, entry.agent.hedge)
            try:
                if applied.template is not None:
                    run.applied = applied.for_call(call)
                reply = await self.chain.run(run)
            except (ProviderError, CallerError) as error:  # only who must translate the request reads all of it
                await self._refuse(run, error, send)
                return
            listener = self.conversations.listener(call, plan, entry, send)
            await (self._reply(run, reply, send) if listener is None else self._reply_heard(run, reply, send, listener))

    def entry_of(self, call: Call) -> Entry:
        """The agent that is called, as it is served now. Raises UnknownModel."""
        entry = self.table.entry(call.agent)
        if entry is None:
            if call.agent == MODELS and call.pin is not None:
                return self.table.model(call.pin)
            message = f"the model {call.agent!r} does not exist; GET /v1/models lists those that do"
            raise UnknownModel(message, param="model")
        if call.pin is not None and call.pin not in entry.agent.versions:
            known = ", ".join(entry.agent.versions)
            raise UnknownModel(f"{call.agent!r} has no version {call.pin!r}; known: {known}", param="model")
        if entry.excluded and is_of(call, entry.excluded):
            return entry.for_excluded or entry
        return entry

    def plan_of(self, call: Call, entry: Entry, may_wait: bool = False) -> Plan:
        """Return the version that serves the call, and its targets. Raises CallerError; NotHeardYet if it may wait."""
        if entry.plain is not None:
            return entry.plain
        caller = call.caller
        call.named = self.conversations.name(call, entry, may_wait)
        facts = Facts(
            caller.name, caller.group, user_of(call.document), call.named, call.id, call.stream, call.facts_headers
        )
        return self.conversations.beginnings.under_way.follow(
            route(entry.agent, entry.split, facts, call.pin), entry, call.received_at
        )

    def _reply(self, run: Run, reply: Answer | OpenStream, send: Send) -> Awaitable[None]:
        """Send what the chain has brought."""
        return self._stream(run, reply, send) if isinstance(reply, OpenStream) else self._answer(run, reply, send)

    def _reply_heard(
        self, run: Run, reply: Answer | OpenStream, send: Send, listener: AnswerListener
    ) -> Awaitable[None]:
        """Send it, and hear on the way what a later turn is known by."""
        if isinstance(reply, OpenStream):
            return self._stream(run, reply, listener)
        if run.outcome.end != "escalated":
            listener.hear_whole(reply.body)
        return self._answer(run, reply, send)

    def _answer(self, run: Run, answer: Answer, send: Send) -> Awaitable[None]:
        """Send the whole answer, and with it who served the call at what cost."""
        outcome = run.outcome
        status, headers, body = answer
        outcome.status = status
        if outcome.end != "escalated":
            outcome.end = "answered"
            self._price_now(run)
        served = response_headers(outcome, run.call.format)
        served += headers
        return send_answer(send, status, served, body)

    async def _stream(self, run: Run, stream: OpenStream, send: Send) -> None:
        outcome, call = run.outcome, run.call
        outcome.status, outcome.end = 200, "broken"
        headers = [EVENT_STREAM, *to_client_untyped(stream.headers), *response_headers(outcome, call.format)]
        write_error = partial(error_event, client=call.format, call_id=call.id)
        try:
            await relay_recorded(run, stream, send, headers, write_error, self.clock.monotonic)
        except ProviderError as error:
            if error.kind == "bad_tool_arguments":
                outcome.end = "answered"
            self.attempts.ended(stream, error, outcome.party)
        except (CancelledError, ClientTooSlow):
            self.attempts.left(stream)
            raise
        else:
            outcome.end = "answered"
            self.attempts.ended(stream, None, outcome.party)

    async def _refuse(self, run: Run, error: ProviderError | CallerError, send: Send) -> None:
        """Answer with upstream's own error where it may be shown, with ours otherwise.

        The call's id then says that no version has answered.
        """
        upstream: Headers = ()
        if isinstance(error, ProviderError):
            upstream = error.headers
            if error.kind == "bad_tool_arguments" and error.body is not None:  # booked as failed, but all there is
                await self._answer(run, Answer(200, upstream, error.body), send)
                return
        end_by(run.outcome, error)
        name_call(run.call, run.outcome, run.runtime.fingerprint_key, answered=False)
        if isinstance(error, ProviderError):
            error.asked = tuple(each.target for each in run.outcome.attempts if each.failure not in NOT_SENT)
        served = response_headers(run.outcome, run.call.format)
        headers = [JSON, *to_client_untyped(upstream), *served, failed_by_header(error)]
        headers += limit_headers(error, run.call.format)
        await send_answer(send, error.status, headers, error_body(error, run.call.format, run.call.id))

    def _price_now(self, run: Run) -> None:
        """Price a whole answer before its headers go out, so that they can say what it cost."""
        prices, now = run.runtime.prices, self.clock.unix()
        for attempt in run.outcome.attempts:
            attempt.cost_nano_usd = prices.cost(attempt.target, attempt.usage, now)


def response_headers(outcome: Outcome, client: FormatName = CHAT) -> BegunHeaders:
    """The headers that tell a client of that format who served its call, and under which id."""
    attempts, nano_usd = outcome.attempts, None
    for attempt in attempts:
        if attempt.cost_nano_usd is not None:
            nano_usd = (nano_usd or 0) + attempt.cost_nano_usd
    target = outcome.answering.target if attempts else None
    begun = _served_headers(outcome.agent, outcome.version, outcome.reason, outcome.arm, target, len(attempts))
    headers = BegunHeaders(*begun)
    headers += id_headers(outcome.call_id, outcome.request_id)
    if client in ID_HEADERS:
        headers.append((ID_HEADERS[client], outcome.call_id.encode()))
    if len(attempts) > 1 and outcome.end not in ("failed", "refused") and outcome.fell_back:
        headers.append((b"x-serinus-fallback", b"true"))
    if nano_usd is not None:
        headers.append((b"x-serinus-cost-usd", b"%.9f" % (nano_usd / _NANO)))
    return headers


def id_headers(call_id: str, request_id: str) -> Headers:
    """The call's id, and `x-request-id`: the client's own where it sent one, else the call's id again."""
    ours = call_id.encode()
    return (b"x-serinus-call-id", ours), (b"x-request-id", request_id.encode() if request_id else ours)


@lru_cache(maxsize=4096)  # of configured names alone
def version_headers(agent: str, version: str) -> Headers:
    """The headers that name an agent and its version; none for a plain model, which is a target and no more."""
    if agent == MODELS:
        return ()
    return ((b"x-serinus-agent", agent.encode()), (b"x-serinus-version", version.encode()))


@lru_cache(maxsize=4096)  # likewise
def _served_headers(
    agent: str, version: str, reason: Reason, arm: ArmName | None, target: str | None, attempts: int
) -> tuple[Headers, bytes | None]:
    """The same, with why that version serves the call, on which side of a trial, and which target answered.

    And their block.
    """
    headers = [*version_headers(agent, version)]
    if headers:
        headers.append((b"x-serinus-reason", reason.encode()))
        headers += [(b"x-serinus-arm", arm.encode())] if arm else []
    if target is not None:
        headers += [(b"x-serinus-target", target.encode()), (b"x-serinus-attempts", b"%d" % attempts)]
    return headers, block(headers)


def failed_by_header(error: SerinusError) -> tuple[bytes, bytes]:
    """The header that says who failed: the client, the provider, the version or the gateway."""
    return (b"x-serinus-failed-by", error.failed_by.encode())


def limit_headers(error: SerinusError, client: FormatName) -> Headers:
    """The headers that tell a client of that format of a limit, and when to come again; none for other errors."""
    if not isinstance(error, OverLimit):
        return ()
    return [*CLIENTS[client].limit_headers(error), *error.retry_headers]


async def send_error(
    send: Send, error: SerinusError, headers: Headers = (), client: FormatName = CHAT, request_id: str = ""
) -> None:
    """Answer with the error body of the client's wire format."""
    await send_answer(send, error.status, [JSON, *headers], error_body(error, client, request_id))
