"""A single attempt at one target: the request is translated and sent, the answer read until the call is committed.

An attempt ends in an `Answer`, in an `OpenStream` whose first part has come in, or in a ProviderError. It is recorded
in the call's outcome however it ends.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.call.circuits import Circuits, refusal, weigh_refusal
from gateway.call.failure_note import note_failure
from gateway.call.quotations import sent_text
from gateway.call.stored_response import is_of_another
from gateway.call.streaming import OpenStream, first_part
from gateway.calls import Answer, Attempt, Call, Outcome, estimated_usage
from gateway.errors import Denied, ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.learnt import Learnt
from gateway.formats.model_errors import blaming_model, blaming_model_inside
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.formats.provider_json import bad_arguments
from gateway.formats.provider_words import explain
from gateway.formats.translate import Attempted, Translation, translation
from gateway.formats.whole import Whole
from gateway.headers import JSON, to_client_untyped
from gateway.json_size import ANSWER_FACTOR, holds_more
from gateway.limits.reservations import Reservation
from gateway.net.client import Response, header
from gateway.net.client.redacting import as_they_came
from gateway.net.time_limits import TimeLimit, TimeLimits
from gateway.rollout.recorder import Clock
from gateway.rollout.target_faults import TargetFaults
from gateway.runtime import Channel, Runtime
from gateway.telemetry.seam import CallTracing
from gateway.tool_use import LONGEST_ID
from policies.calls.blame import counts_as_error, is_rejection
from routing.agents import Timeouts
from routing.chain import Target
from routing.plan import Plan

_ERROR_BODY_BYTES = 1 << 20
_PARTS = re.compile(r"\w+")
_UNREADABLE = ("malformed", "truncated", "lost")  # an answer that came, in part or in a shape that says no usage


def always(_now: float) -> bool:
    """Every attempt may go out."""
    return True


@dataclass(slots=True)
class Run:
    """The state of one call on its way through its chain. `deadline` is monotonic, for all attempts together;
    `timeouts` are those of the call's agent.

    `first` makes the first attempt in place of a plain one, where the agent hedges; `hedged_to` is the target that
    it has tried beside the first. `compared` is set where the call belongs to a trial that has a control. `held` is
    what it may take of limits.
    """

    call: Call
    plan: Plan
    applied: AppliedVersion
    runtime: Runtime
    outcome: Outcome
    deadline: float
    timeouts: Timeouts
    first: "Callable[[Run, Target], Awaitable[Answer | OpenStream]] | None" = None
    hedged_to: Target | None = None
    compared: bool = False
    held: Reservation | None = None

    def has_next(self, target: Target) -> bool:
        """Return whether the chain goes on behind that target."""
        return self.plan.targets[-1] != target

    def may_go_on(self, now: float) -> bool:
        """Return whether the call has an attempt and time left."""
        tried = sum(attempt.failure != "circuit_open" for attempt in self.outcome.attempts)
        return tried < self.runtime.retries.max_attempts and now < self.deadline


def _note_nothing() -> None:
    """Do nothing: no callback for an exhausted host was given."""


class Attempts:
    """The attempts of one replica. `note_exhausted` is called when one could not be made for want of a descriptor."""

    def __init__(
        self,
        clock: Clock,
        circuits: Circuits,
        faults: TargetFaults,
        tracing: CallTracing | None = None,
        note_exhausted: Callable[[], object] = _note_nothing,
    ) -> None:
        self._clock = clock
        self._faults = faults
        self.circuits = circuits
        self.tracing = tracing
        self.note_exhausted = note_exhausted
        self._limits = TimeLimits()
        self._learnt = Learnt()

    async def attempt(self, run: Run, target: Target) -> Answer | OpenStream:
        """Make one attempt, and report its end to the target's circuit. Raises OverLimit where none may be paid."""
        if run.held is not None and run.outcome.attempts:
            await run.held.cover(run.outcome.attempts, target)
        circuit = self.circuits.of_target(target, run.runtime.circuit)
        try:
            exposed = run.outcome.exposed and not run.outcome.attempts  # only the first attempt is evidence
            answer = await self.once(run, target, always if exposed else circuit.allows)
        except ProviderError as error:
            self.circuits.report(circuit, error, run.outcome.party)
            if error.kind == "circuit_open":
                weigh_refusal(run.outcome, circuit, compared=run.compared)
            raise
        except BaseException:  # the client left, or the fault is ours: not a word on the target's health
            circuit.abandoned()
            raise
        if isinstance(answer, Answer):
            circuit.succeeded(run.outcome.party, run.outcome.attempts[-1].ended_at)
        return answer

    async def once(self, run: Run, target: Target, allows: Callable[[float], bool] = always) -> Answer | OpenStream:
        """Make one attempt and book it in the outcome, however it ends. Its circuit is not involved. Raises
        ProviderError."""
        timeouts = run.timeouts
        attempt = Attempt(target.name, now := self._clock.monotonic())
        run.outcome.attempts.append(attempt)
        left = min(timeouts.first_token if run.call.stream else timeouts.answer, run.deadline - now)
        try:
            if not allows(now):
                raise refusal(target, run.runtime.circuit)
            with TimeLimit(self._limits, left):
                ask = self._ask_for_usage if run.call.stream else self._ask
                answer = await ask(run, target, attempt)
            self._faults.served(target, run.runtime.channels[target.provider].endpoint.origin)
            return answer
        except TimeoutError:
            error = ProviderError("timeout", f"{target} did not answer within {max(left, 0.0):.3g} s")
            self._book(error, attempt, run, target)
            raise error from None
        except ProviderError as error:
            self._book(error, attempt, run, target)
            raise
        finally:
            attempt.ended_at = self._clock.monotonic()

    def ended(self, stream: OpenStream, error: ProviderError | None, party: str) -> None:
        """A party's stream has come to its end: its target's circuit hears how."""
        self.circuits.report(self.circuits.by_name(stream.attempt.target), error, party)

    def left(self, stream: OpenStream) -> None:
        """A stream's client has left it: not a word on the target's health."""
        self.circuits.by_name(stream.attempt.target).abandoned()

    def request_bytes(self, run: Run, target: Target) -> int:
        """The size of the request that an attempt of that call sends there, in bytes."""
        channel: Channel = run.runtime.channels[target.provider]
        return len(self._way(run, target, channel).request().body)

    def _book(self, error: ProviderError, attempt: Attempt, run: Run, target: Target) -> None:
        answered, origin = attempt.status is not None, run.runtime.channels[target.provider].endpoint.origin
        if error.kind == "exhausted":
            self.note_exhausted()
        note_run_failure(attempt, error, run)
        ours = ("gateway",) if run.plan.reason == "model" else ("version", "gateway")  # clients name plain models
        counts = error.kind != "exhausted" and counts_as_error(error.kind, error.upstream_status, error.blame in ours)
        is_strange = is_of_another(error, run.call) or _is_misdirected(run, error)
        attempt.counts = counts and not is_strange
        attempt.caller_can_cause = error.caller_can_cause
        attempt.rejected = not counts and not is_strange and is_rejection(error.kind, error.upstream_status)
        self._faults.failed(target, origin, run.call, error, answered=answered)

    async def _ask_for_usage(self, run: Run, target: Target, attempt: Attempt) -> Answer | OpenStream:
        """Ask for a stream; a second time where the provider refuses to be asked for a stream's usage."""
        origin, now = run.runtime.channels[target.provider].endpoint.origin, self._clock.monotonic()
        asks_usage = self._learnt.asks_usage(origin, now)
        try:
            return await self._ask(run, target, attempt, asks_usage)
        except ProviderError as error:
            if not (asks_usage and error.refuses_usage):
                raise
        answer = await self._ask(run, target, attempt, asks_usage=False)
        self._learnt.refuses_usage(origin, now)
        return answer

    async def _ask(self, run: Run, target: Target, attempt: Attempt, asks_usage: bool = True) -> Answer | OpenStream:
        """Send the request and read what comes back, of a stream its first part. Raises ProviderError."""
        channel: Channel = run.runtime.channels[target.provider]
        way = self._way(run, target, channel, asks_usage)
        request = way.request()
        if run.timeouts.connect is not None:
            request.connect_seconds = run.timeouts.connect
        if self.tracing is not None:
            self.tracing.put_into(request, attempt, run.call, run.outcome)
        response: Response | None = None
        settled = False  # whether the answer is read to its end, or somebody else's to close
        try:
            response = await channel.send(request, run.runtime.answer_limit)
            attempt.status = response.status
            if response.status != 200:
                body = await response.whole(_ERROR_BODY_BYTES)
                error = blaming_model(way.error(response.status, response.headers, body), body, target.model)
                raise explain(error, body, response.headers)
            if run.call.stream:
                stream_type = channel.endpoint.api.facts.stream_type
                stream = await self._open_stream(response, way, attempt, stream_type, len(request.body))
                settled = True
                return stream
            body = await response.whole(run.runtime.answer_limit)
            settled = True
            if holds_more(body, ANSWER_FACTOR * run.runtime.values_limit):
                raise ProviderError("malformed", "the provider's answer holds too many values")
            try:
                return _whole_answer(response, way.whole(body), attempt)
            except ProviderError as error:
                if error.kind == "error_in_answer" or isinstance(error, Denied):
                    explain(error, body, response.headers)
                raise
        except ProviderError as error:
            if response is not None and _is_billed(response, error):
                attempt.usage = attempt.usage or estimated_usage(len(request.body), 0)
            raise blaming_model_inside(error, target.model) from None
        except asyncio.CancelledError:  # the client left, or time is up; the provider has the request, and bills it
            attempt.usage = attempt.usage or estimated_usage(len(request.body), 0)
            raise
        finally:
            if response is not None and not settled:
                await response.aclose()

    def _way(self, run: Run, target: Target, channel: Channel, asks_usage: bool = True) -> Translation:
        own = run.runtime.channels[run.plan.version.target.provider].endpoint.api.name
        return translation(
            Attempted(run.call, run.applied, channel.endpoint, target, own, self._clock.unix, asks_usage)
        )

    async def _open_stream(
        self, response: Response, way: Translation, attempt: Attempt, kind: bytes, size: int
    ) -> OpenStream:
        """Read on until the first part of an answer is there: from then on the call is committed."""
        if not (header(response.headers, b"content-type") or b"").lower().startswith(kind):
            body = await response.whole(_ERROR_BODY_BYTES)
            try:
                way.whole(body)  # says what is wrong, if it is an error
            except ProviderError as error:
                raise explain(error, body, response.headers) from None
            raise ProviderError("malformed", "the provider answered a stream request without a stream")
        reader = way.reader()
        chunks = as_they_came(response) if isinstance(reader, StreamReader) else response.chunks()
        try:
            first = await first_part(reader, chunks)
        except ProviderError:
            if reader.started:  # it broke in the same piece: what it has said is billed
                attempt.usage = estimated_usage(size, reader.tokens)
            raise
        attempt.first_token_at = self._clock.monotonic()
        return OpenStream(response.headers, first, reader, chunks, response, attempt, size)


def _is_billed(response: Response, error: ProviderError) -> bool:
    """Return whether a provider began an answer of its own, which could not be read to its usage: it bills that."""
    is_page = (header(response.headers, b"content-type") or b"").lower().startswith(b"text/html")
    return response.status == 200 and error.kind in _UNREADABLE and not is_page


def _is_misdirected(run: Run, error: ProviderError) -> bool:
    """Return whether a client asks a plain model for what its provider's format cannot say: it chose both."""
    return run.plan.reason == "model" and error.kind == "untranslatable"


def note_run_failure(attempt: Attempt, error: ProviderError, run: Run) -> None:
    """Note why an attempt of that call has failed."""
    provider, _, model = attempt.target.partition("/")
    channel: Channel = run.runtime.channels[provider]

    def sent() -> str | None:
        call, applied = run.call, run.applied
        tools = (tool.definition for tool in applied.tools)
        headers = [*call.headers, *channel.endpoint.fixed]
        ids = (call.conversation_header, call.session_header, call.request_id)
        return sent_text(call.document.texts, headers, call.query, *ids, applied.system, applied.turns, *tools)

    known = (provider, model, run.call.agent, run.plan.version.name, *_PARTS.findall(model))
    own = run.runtime.doorkeeper.keys_of(run.call.caller.name)
    note_failure(attempt, error, sent, known, channel.redactor, own)


def _whole_answer(response: Response, whole: Whole, attempt: Attempt) -> Answer:
    headers = [JSON, *to_client_untyped(response.headers)]
    attempt.usage, attempt.rejected, attempt.end = whole.usage, whole.refused, whole.end
    attempt.answer_id, attempt.answer_model = whole.id[:LONGEST_ID], whole.model[:LONGEST_ID]
    if not whole.arguments_are_json:
        raise bad_arguments(headers, whole.body)
    return Answer(200, headers, whole.body)
