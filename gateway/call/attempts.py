"""Runs a fallback chain: per link its attempts, until one answers or the chain is spent.

An attempt ends in an `Answer`, in an `OpenStream` whose first part has come in, or in a ProviderError. Up to that
moment nothing has gone to the client, so the next link may take over without anyone noticing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from gateway.call.stored_response import is_of_another
from gateway.call.streaming import OpenStream, first_part
from gateway.calls import Answer, Attempt, Call, Outcome
from gateway.errors import ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.learnt import Learnt
from gateway.formats.model_errors import blaming_model
from gateway.formats.openai_chat.answer import bad_arguments
from gateway.formats.openai_chat.stream import StreamReader
from gateway.formats.registry import stream_type
from gateway.formats.translate import Attempted, Translation, translation
from gateway.formats.whole import Whole
from gateway.handover.escalation import Escalations, completion, wants_person
from gateway.headers import JSON, retry_after, to_client_untyped
from gateway.json_size import ANSWER_FACTOR, holds_more
from gateway.net.client import Response, header
from gateway.net.client.redacting import as_they_came
from gateway.net.time_limits import TimeLimits
from gateway.rollout.recorder import Clock, name_call
from gateway.rollout.target_faults import TargetFaults
from gateway.runtime import Channel, CircuitRules, Runtime
from policies.calls.blame import counts_as_error, is_rejection
from policies.calls.retry import Circuit, Move, RetryBudget, next_move, tells_ill_health
from routing.chain import Target
from routing.plan import Plan

_LONGEST_WAIT_SECONDS = 60.0  # a Retry-After beyond this is the client's to obey
_ERROR_BODY_BYTES = 1 << 20
_NOT_SENT = ("circuit_open", "untranslatable")  # they tell less than what a provider that was asked has said


def always(_now: float) -> bool:
    """Every attempt may go out."""
    return True


@dataclass(slots=True)
class Run:
    """One call on its way through its chain. `deadline` is monotonic, for all attempts together.

    `first` makes the first attempt in place of a plain one, where the agent hedges; `hedged_to` is the link that it
    has tried beside the first. `compared` is set where the call belongs to a trial that has a control.
    """

    call: Call
    plan: Plan
    applied: AppliedVersion
    runtime: Runtime
    outcome: Outcome
    deadline: float
    first: "Callable[[Run, Target], Awaitable[Answer | OpenStream]] | None" = None
    hedged_to: Target | None = None
    compared: bool = False

    def has_next(self, target: Target) -> bool:
        """Whether the chain goes on behind that target."""
        return self.plan.links[-1] != target


class Attempts:
    """The attempts of one replica: its retry budget and its circuits. `draw` is uniform in 0…1."""

    def __init__(self, clock: Clock, draw: Callable[[], float], escalations: Escalations, faults: TargetFaults) -> None:
        self._clock = clock
        self._draw = draw
        self._escalations = escalations
        self._faults = faults
        self._budget = RetryBudget()
        self._circuits: dict[str, Circuit] = {}
        self._limits = TimeLimits()
        self._learnt = Learnt()

    def circuits(self) -> dict[str, str]:
        """The state of every target's circuit that is not closed."""
        now = self._clock.monotonic()
        states = {target: circuit.state(now) for target, circuit in self._circuits.items()}
        return {target: state for target, state in states.items() if state != "closed"}

    def is_closed(self, target: Target) -> bool:
        """Whether the target's circuit is closed, so far as anything is known of its health."""
        circuit = self._circuits.get(str(target))
        return circuit is None or circuit.state(self._clock.monotonic()) == "closed"

    def trust(self, target: Target) -> None:
        """Forget what was heard of a target's health: a new trial is judged on calls of its own, not on refusals."""
        if circuit := self._circuits.get(str(target)):
            circuit.succeeded()

    async def run_chain(self, run: Run) -> Answer | OpenStream:
        """Try link after link. Raises the ProviderError that tells most when the chain is spent."""
        self._budget.ratio = run.runtime.retries.budget
        self._budget.deposit()
        spent: ProviderError | None = None
        for_people = True  # until a target was asked
        for link in run.plan.links:
            if not isinstance(link, Target):
                if (
                    run.call.operation == "generate"
                    and for_people
                    and self._faults.explained(run.outcome.attempts) is None
                ):
                    return self._escalate(run)
                continue
            if spent is not None and (link == run.hedged_to or not self.may_go_on(run)):
                continue
            try:
                try:
                    return await (self.attempt(run, link) if run.first is None else run.first(run, link))
                except ProviderError as error:
                    if _move(error, run) != "retry" or run.hedged_to is not None:
                        raise
                    return await self._again(run, link, error)
            except ProviderError as error:
                is_strange = is_of_another(error, run.call)
                if not is_strange and _move(error, run) == "give_up":
                    raise
                for_people = (spent is not None and for_people) or wants_person(error, is_strange)
                spent = error if spent is None or not (is_strange or error.kind in _NOT_SENT) else spent
        assert spent is not None, "a chain has at least one link"  # noqa: S101
        raise self._faults.explained(run.outcome.attempts) or spent

    def _escalate(self, run: Run) -> Answer:
        now = self._clock.unix()
        run.outcome.end = "escalated"
        name_call(run.call, run.outcome, run.runtime.fingerprint_key, answered=False)
        self._escalations.hand_over(run.call, run.outcome, now)
        return completion(run.call, run.runtime.escalation_message, now)

    def may_go_on(self, run: Run) -> bool:
        """Whether the call has an attempt and time left."""
        tried = sum(attempt.failure != "circuit_open" for attempt in run.outcome.attempts)
        return tried < run.runtime.retries.max_attempts and self._clock.monotonic() < run.deadline

    async def _again(self, run: Run, target: Target, first: ProviderError) -> Answer | OpenStream:
        """The attempts at a target whose first try has failed."""
        async for again in self._retrying(run, target):
            with again:
                if again.retry_state.attempt_number == 1:
                    raise first
                return await self.attempt(run, target)
        raise AssertionError("tenacity returns an answer, or raises")

    def _retrying(self, run: Run, target: Target) -> AsyncRetrying:
        rules = run.runtime.retries

        def wait(state: RetryCallState) -> float:
            return rules.backoff.delay(state.attempt_number, self._draw(), _wait_asked(_error(state), self._clock))

        def stop(state: RetryCallState) -> bool:
            if state.attempt_number > rules.per_target or not self.may_go_on(run):
                return True
            longest = rules.backoff.cap if run.has_next(target) else _LONGEST_WAIT_SECONDS
            over = self._clock.monotonic() + state.upcoming_sleep >= run.deadline
            return over or state.upcoming_sleep > longest or not self._budget.withdraw()

        again = retry_if_exception(lambda error: isinstance(error, ProviderError) and _move(error, run) == "retry")
        return AsyncRetrying(wait=wait, stop=stop, retry=again, reraise=True)

    def ended(self, stream: OpenStream, error: ProviderError | None) -> None:
        """A stream has come to its end: its target's circuit hears how."""
        self._report(self._circuits[stream.attempt.target], error)

    def left(self, stream: OpenStream) -> None:
        """A stream's client has left it: not a word on the target's health."""
        self._circuits[stream.attempt.target].abandoned()

    async def attempt(self, run: Run, target: Target) -> Answer | OpenStream:
        """One try, of which the target's circuit hears how it ended."""
        circuit = self._circuit(target, run)
        try:
            exposed = run.outcome.exposed and not run.outcome.attempts  # only the first attempt is evidence
            answer = await self.once(run, target, always if exposed else circuit.allows)
        except ProviderError as error:
            self._report(circuit, error)
            if error.kind == "circuit_open":
                _blame(run, circuit)
            raise
        except BaseException:  # the client left, or the fault is ours: not a word on the target's health
            circuit.abandoned()
            raise
        if isinstance(answer, Answer):
            circuit.succeeded()
        return answer

    async def once(self, run: Run, target: Target, allows: Callable[[float], bool] = always) -> Answer | OpenStream:
        """One try, booked in the outcome however it ends. No circuit hears of it. Raises ProviderError."""
        timeouts = run.runtime.timeouts
        attempt = Attempt(str(target), now := self._clock.monotonic())
        run.outcome.attempts.append(attempt)
        left = min(timeouts.first_token if run.call.stream else timeouts.answer, run.deadline - now)
        try:
            if not allows(now):
                raise _circuit_open(target, run.runtime.circuit)
            with self._limits.of(left):
                answer = await self._exchange(run, target, attempt)
            self._faults.served(target)
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

    def _circuit(self, target: Target, run: Run) -> Circuit:
        name = str(target)
        circuit = self._circuits.get(name)
        if circuit is None:
            circuit = self._circuits[name] = Circuit(run.runtime.circuit.failures, run.runtime.circuit.open_for)
        return circuit

    def _book(self, error: ProviderError, attempt: Attempt, run: Run, target: Target) -> None:
        attempt.failure, attempt.status, attempt.message = error.kind, error.upstream_status, error.message
        counts = counts_as_error(error.kind, error.upstream_status, error.blame in ("version", "gateway"))
        is_strange = is_of_another(error, run.call)
        attempt.counts = counts and not is_strange
        attempt.rejected = not counts and not is_strange and is_rejection(error.kind, error.upstream_status)
        self._faults.failed(target, run.runtime.channels[target.provider].endpoint.origin, run.call, error)

    def _report(self, circuit: Circuit, error: ProviderError | None) -> None:
        if error is None:
            circuit.succeeded()
        elif tells_ill_health(error.kind, error.upstream_status):
            circuit.failed(self._clock.monotonic())
        elif error.kind == "untranslatable":
            circuit.abandoned()
        elif error.kind != "circuit_open":
            circuit.succeeded()

    async def _exchange(self, run: Run, target: Target, attempt: Attempt) -> Answer | OpenStream:
        """Ask once; a second time where the provider refuses to be asked for a stream's usage."""
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

    async def _ask(self, run: Run, target: Target, attempt: Attempt, asks_usage: bool) -> Answer | OpenStream:
        channel: Channel = run.runtime.channels[target.provider]
        way = self._way(run, target, channel, asks_usage)
        request = way.request()
        response = await channel.send(request, run.runtime.answer_limit)
        self._faults.answered(target, channel.endpoint.origin)
        attempt.status = response.status
        opened = False
        try:
            if response.status != 200:
                body = await response.whole(_ERROR_BODY_BYTES)
                raise blaming_model(way.error(response.status, response.headers, body), body, target.model)
            if run.call.stream:
                stream = await self._open_stream(response, way, attempt, stream_type(channel.endpoint.format))
                stream.request_bytes = len(request.body)
                opened = True
                return stream
            body = await response.whole(run.runtime.answer_limit)
            if holds_more(body, ANSWER_FACTOR * run.runtime.values_limit):
                raise ProviderError("malformed", "the provider's answer holds too many values")
            return _whole_answer(response, way.whole(body), attempt)
        finally:
            if not opened:
                await response.aclose()

    def request_bytes(self, run: Run, target: Target) -> int:
        """The size of the request that an attempt of that call sends there, in bytes."""
        channel: Channel = run.runtime.channels[target.provider]
        return len(self._way(run, target, channel).request().body)

    def ends_call(self, run: Run, error: ProviderError) -> bool:
        """Whether no other target is asked after that failure: it is the client's own."""
        return _move(error, run) == "give_up"

    def _way(self, run: Run, target: Target, channel: Channel, asks_usage: bool = True) -> Translation:
        own = run.runtime.channels[run.plan.version.target.provider].endpoint.format
        return translation(
            Attempted(run.call, run.applied, channel.endpoint, target, own, self._clock.unix, asks_usage)
        )

    async def _open_stream(self, response: Response, way: Translation, attempt: Attempt, kind: bytes) -> OpenStream:
        """Read on until the first part of an answer is there: from then on the call is committed."""
        if not (header(response.headers, b"content-type") or b"").lower().startswith(kind):
            way.whole(await response.whole(_ERROR_BODY_BYTES))  # says what is wrong, if it is an error
            raise ProviderError("malformed", "the provider answered a stream request without a stream")
        reader = way.reader()
        chunks = as_they_came(response) if isinstance(reader, StreamReader) else response.chunks()
        first = await first_part(reader, chunks)
        attempt.first_token_at = self._clock.monotonic()
        return OpenStream(response.headers, first, reader, chunks, response, attempt)


def _whole_answer(response: Response, whole: Whole, attempt: Attempt) -> Answer:
    headers = [JSON, *to_client_untyped(response.headers)]
    attempt.usage = whole.usage
    if not whole.arguments_are_json:
        raise bad_arguments(headers, whole.body)
    return Answer(200, headers, whole.body)


def _blame(run: Run, circuit: Circuit) -> None:
    """While a circuit is open, what it refuses stands for what would have failed; while a probe asks how the target is,
    nobody knows, and a refusal beside it says nothing of the version (decision 11). Where there is a control to compare
    with, no refusal is evidence (decision 19)."""
    refused = run.outcome.attempts[-1]
    refused.counts = circuit.state(refused.started_at) == "open"
    run.outcome.censored |= run.compared and len(run.outcome.attempts) == 1


def _circuit_open(target: Target, rules: CircuitRules) -> ProviderError:
    later = (b"retry-after", str(ceil(rules.open_for)).encode())
    return ProviderError("circuit_open", f"{target} has failed too often; its circuit is open", headers=[later])


def _move(error: ProviderError, run: Run) -> Move:
    said = (header(error.headers, b"x-should-retry") or b"").strip().lower()
    asked = {b"true": True, b"false": False}.get(said)
    return next_move(error.kind, error.upstream_status, asked, error.blame != "client")


def _error(state: RetryCallState) -> ProviderError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, ProviderError), "only provider errors are retried"  # noqa: S101
    return error


def _wait_asked(error: ProviderError, clock: Clock) -> float | None:
    """Seconds that upstream asked to wait (RFC 9110, 10.2.3: seconds or a date), None when it did not."""
    return retry_after(error.headers, clock.unix())
