"""The record of one call, from its opening to its close: what proxy, pass-through and shadow share.

    with Recording(recorder, call, plan, entry, prices) as outcome:
        ...  # attempts are added to the outcome, and whoever knows how the call ended says so

Whatever ends the block says how the call ended, as far as it is an error, and the outcome is closed exactly once.
"""

import re
from asyncio import CancelledError
from collections.abc import Callable
from types import TracebackType

from gateway.call.attempt import Run, note_run_failure
from gateway.call.quotations import without_quotations
from gateway.call.streaming import ClientTooSlow, ErrorEvent, OpenStream, StreamLimits, close, drain, relay
from gateway.calls import ArmName, Call, Outcome
from gateway.conversation import name_of
from gateway.errors import CallerError, Headers, ProviderError
from gateway.limits.reservations import Reservation
from gateway.net.asgi import Send
from gateway.pricing import PriceBook
from gateway.rollout.call_id import mint, place
from gateway.rollout.parties import party_of
from gateway.rollout.recorder import Recorder
from gateway.rollout.table import Entry
from gateway.rollout.weighing import unit_id
from routing.plan import Plan

_NAMES = re.compile(r"\w+")


class Recording:
    """The outcome of one call while it runs. What it `held` of limits is settled when it ends."""

    __slots__ = ("_applied", "_call", "_held", "_prices", "_recorder", "outcome")

    def __init__(
        self,
        recorder: Recorder,
        call: Call,
        plan: Plan,
        entry: Entry,
        prices: PriceBook,
        held: Reservation | None = None,
    ) -> None:
        self._held = held
        self._call = call
        self._recorder = recorder
        self._prices = prices
        self._applied = entry.applied
        state, arm = entry.state, arm_of(plan, entry)
        rollout, evidence = (state.rollout, state.evidence) if state else (0, 0)
        # By position, and what is left over one by one: to pass 16 names to a class takes 1 % of a call.
        self.outcome = outcome = Outcome(
            call.id, call.caller.name, call.agent, plan.version.name, plan.reason, plan.unit, rollout, evidence, arm,
            call.stream, call.received_at,
        )  # fmt: skip
        outcome.thresholds = entry.thresholds.get(arm) if arm else None
        outcome.request_id, outcome.conversation = call.request_id, name_of(call)
        outcome.party, outcome.held, outcome.origin = party_of(call), plan.held or entry.is_excluded, plan.origin
        outcome.begins = plan.begins
        if plan.drawn:
            outcome.drawn, outcome.by_words = plan.drawn, bool(call.opening)

    def __enter__(self) -> Outcome:
        return self.outcome

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Close the outcome. A client that took its answer too slowly ends its call, and nobody hears of it."""
        if error is not None:
            end_by(self.outcome, error)
        self._recorder.close(self.outcome, self._prices, self._call, self._applied)
        if self._held is not None:
            self._held.settle(self.outcome.attempts)
        return kind is ClientTooSlow


def end_by(outcome: Outcome, error: BaseException) -> None:
    """Say how a call ended that an error ended. A fault of ours leaves it as it is: failed."""
    if isinstance(error, ProviderError):
        outcome.end, outcome.status = "failed" if outcome.failed else "refused", error.status
    elif isinstance(error, CallerError):
        outcome.end, outcome.status = "refused", error.status
        known = (error.param or "", *_NAMES.findall(error.param or ""))
        outcome.refusal = without_quotations(error.message, _not_searched, known)
        if outcome.attempts:  # refused while its request was translated, where another version may serve it
            outcome.attempts[-1].rejected = True
    elif isinstance(error, CancelledError | ClientTooSlow):  # the client left, or the gateway stops
        outcome.end = "client_gone"


def _not_searched() -> None:
    """Return no request: our own words need none to tell them from a quotation."""


def name_call(call: Call, outcome: Outcome, key: bytes, *, answered: bool = True) -> None:
    """Give the call the id that says where it will be booked, and whether a version answers it."""
    is_apart = outcome.reason != "split"
    is_unscored = outcome.censored or outcome.held or outcome.origin or outcome.by_words
    arm = None if is_unscored else outcome.arm
    booked = place(outcome.agent, outcome.version, arm, is_apart, outcome.rollout, outcome.evidence, answered)
    call.id = outcome.call_id = mint(booked, outcome.drawn or unit_id(outcome.unit), outcome.caller, call.nonce, key)


async def relay_recorded(
    run: Run, stream: OpenStream, send: Send, headers: Headers, error_event: ErrorEvent, now: Callable[[], float]
) -> None:
    """Relay a stream to its end, book its attempt and let go of its connection. Raises as `relay` does."""
    attempt = stream.attempt
    run.outcome.first_token_at, ended_at = attempt.first_token_at, 0.0
    try:
        limits = StreamLimits(run.timeouts.between_chunks, run.deadline - now())
        await relay(send, stream, headers, limits, error_event)
        ended_at = now()  # the client has its answer
        await drain(stream)
    except ProviderError as error:
        status, attempt.counts = attempt.status, True
        note_run_failure(attempt, error, run)
        attempt.status = status
        raise
    finally:
        attempt.usage, attempt.rejected, attempt.end = stream.usage, stream.reader.refused, stream.reader.answer_end
        stream.reader.name(attempt)
        attempt.ended_at = ended_at or now()
        await close(stream)


def arm_of(plan: Plan, entry: Entry) -> ArmName | None:
    """Return the side of a trial that a call of that plan belongs to."""
    if plan.reason != "split":
        return None
    split = entry.split
    if entry.is_excluded:  # held: no evidence, but stable is seen to be served
        return "stable" if plan.version is split.stable and not entry.is_completed else None
    if entry.is_completed:  # there is no control any more, but it is still watched
        return "canary" if plan.version is split.stable else None
    if not entry.on_trial:
        return None
    if plan.version is split.canary:
        return "canary"
    return "stable" if plan.version is split.stable else None
