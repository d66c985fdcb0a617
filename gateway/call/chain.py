"""Runs a call's fallback chain: attempts at each target, until one answers or the chain is spent.

Up to the end of an attempt nothing has gone to the client, so the next target may take over without anyone noticing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from gateway.call.attempt import Attempts, Run
from gateway.call.recording import name_call
from gateway.call.stored_response import cannot_keep_threads, is_of_another
from gateway.call.streaming import OpenStream
from gateway.calls import Answer
from gateway.errors import NOT_SENT, ContentRefused, ProviderError
from gateway.handover.escalation import Escalations, completion, wants_person
from gateway.headers import retry_after
from gateway.net.client import header
from gateway.rollout.recorder import Clock
from gateway.rollout.target_faults import TargetFaults
from policies.calls.retry import Move, RetryBudget, next_move
from routing.chain import Target

_LONGEST_WAIT_SECONDS = 60.0  # a Retry-After beyond this is the client's to obey


@dataclass(frozen=True, slots=True)
class FallbackChain:
    """The way of every call of one replica from target to target. `draw` is uniform in 0…1."""

    attempts: Attempts
    escalations: Escalations
    faults: TargetFaults
    clock: Clock
    draw: Callable[[], float]
    _budget: RetryBudget = field(default_factory=RetryBudget, init=False)

    async def run(self, run: Run) -> Answer | OpenStream:
        """Try target after target. Raises the ProviderError that tells most when the chain is spent."""
        self._budget.ratio = run.runtime.retries.budget
        self._budget.deposit()
        spent: ProviderError | None = None
        for_people = True  # until a target was asked
        for target in run.plan.targets:
            if not isinstance(target, Target):
                if (
                    run.call.operation == "generate"
                    and for_people
                    and self.faults.explained(run.outcome.attempts) is None
                ):
                    return self._escalate(run)
                continue
            if spent is not None and (target == run.hedged_to or not run.may_go_on(self.clock.monotonic())):
                continue
            try:
                try:
                    return await (self.attempts.attempt(run, target) if run.first is None else run.first(run, target))
                except ProviderError as error:
                    if move_after(error) != "retry" or run.hedged_to is not None:
                        raise
                    return await self._retry(run, target, error)
            except ProviderError as error:
                is_strange = is_of_another(error, run.call)
                if not is_strange and move_after(error) == "give_up":
                    raise
                for_people = (spent is not None and for_people) or wants_person(error, is_strange)
                tells_more = cannot_keep_threads(error) or not (is_strange or error.kind in NOT_SENT)
                spent = error if spent is None or tells_more else spent
        assert spent is not None, "a chain has at least one target"  # noqa: S101
        spent.whom = _whom(run)
        raise self.faults.explained(run.outcome.attempts) or spent

    def _escalate(self, run: Run) -> Answer:
        now = self.clock.unix()
        run.outcome.end = "escalated"
        name_call(run.call, run.outcome, run.runtime.fingerprint_key, answered=False)
        self.escalations.hand_over(run.call, run.outcome, now)
        return completion(run.call, run.runtime.escalation_message, now)

    async def _retry(self, run: Run, target: Target, first: ProviderError) -> Answer | OpenStream:
        """Make the further attempts at a target whose first one has failed."""
        async for again in self._retrying(run, target):
            with again:
                if again.retry_state.attempt_number == 1:
                    raise first
                return await self.attempts.attempt(run, target)
        raise AssertionError("tenacity returns an answer, or raises")

    def _retrying(self, run: Run, target: Target) -> AsyncRetrying:
        rules = run.runtime.retries

        def wait(state: RetryCallState) -> float:
            return rules.backoff.delay(state.attempt_number, self.draw(), _wait_asked(_error(state), self.clock))

        def stop(state: RetryCallState) -> bool:
            now = self.clock.monotonic()
            if state.attempt_number > rules.per_target or not run.may_go_on(now):
                return True
            longest = rules.backoff.cap if run.has_next(target) else _LONGEST_WAIT_SECONDS
            over = now + state.upcoming_sleep >= run.deadline
            return over or state.upcoming_sleep > longest or not self._budget.withdraw()

        again = retry_if_exception(lambda error: isinstance(error, ProviderError) and move_after(error) == "retry")
        return AsyncRetrying(wait=wait, stop=stop, retry=again, reraise=True)


def _whom(run: Run) -> str:
    """Return who failed, and how often a target was asked, for a client's error."""
    asked = [attempt for attempt in run.outcome.attempts if attempt.failure not in NOT_SENT]
    targets = ", ".join(dict.fromkeys(attempt.target for attempt in asked))
    return f" ({targets}; {len(asked)} attempt{'' if len(asked) == 1 else 's'})" if asked else ""


def move_after(error: ProviderError) -> Move:
    """Return what follows an attempt that failed so: another try, the next target, or nothing."""
    if isinstance(error, ContentRefused) or error.kind == "exhausted":  # no target can be dialled either
        return "give_up"
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
