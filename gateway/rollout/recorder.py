"""What became of each call, recorded exactly once: one log line, and sums for the store.

Everything here is memory and arithmetic; nothing waits. Batches are taken by whoever flushes them, and grow only with
the number of versions and failing units, so they may be kept for as long as the store is away.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from gateway.calls import ArmName, Call, Outcome, Spent
from gateway.conversation import name_of
from gateway.logs import Log
from gateway.pricing import PriceBook
from gateway.rollout.call_id import Booking, mint, place
from gateway.rollout.flush_requests import FlushRequests
from gateway.rollout.named_conversations import Conversations
from gateway.rollout.table import Entry
from gateway.store.seam import MAX_FAILING_UNITS, MAX_UNITS, Arm, Batch, SampleSums
from policies.evidence.evidence import CALLER_BINS, ERRORS, QUALITY, REJECTIONS, SCORED, WHOLE, rejections_of
from policies.evidence.tally import Tally, amount_bucket, histogram_bucket
from policies.guardrails.metrics import MEANS, Amount
from policies.guardrails.thresholds import Scale, SlowThreshold
from policies.statistics.means import BINS
from routing.assignment import Reason
from routing.plan import Plan

# Failures whose messages are ours or the transport's; what a provider says may quote a prompt.
_OUR_WORDS = frozenset({"connect", "lost", "timeout", "malformed", "truncated", "circuit_open"})
_NANO = 1e9
APART = "/apart"  # what follows a version's name in the tally of its pinned, rule-matched and passed calls
SHADOW = "/shadow"  # and in that of the copies it got as a shadow
_TALLIES: Mapping[Reason, str] = {"split": "", "pin": APART, "rule": APART, "passed": APART, "shadow": SHADOW}


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds for durations, Unix seconds for prices and the log."""

    monotonic: Callable[[], float]
    unix: Callable[[], float]


def name_call(call: Call, outcome: Outcome, key: bytes, *, answered: bool = True) -> None:
    """Give the call the id that says where it will be booked, and whether a version answers it."""
    arm, is_apart = None if outcome.censored else outcome.arm, outcome.reason != "split"
    booked = place(outcome.agent, outcome.version, arm, is_apart, outcome.rollout, outcome.evidence, answered)
    call.id = outcome.call_id = mint(booked, unit_id(outcome.unit), outcome.caller, call.nonce, key)


class Recorder:
    """Gathers outcomes of one replica, and asks for a flush at once where a canary has failed a call."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self.flush_requests = FlushRequests()
        self._pending: dict[str, dict[tuple[int, int], Batch]] = {}
        self.conversations = Conversations()

    def open(self, call: Call, plan: Plan, entry: Entry) -> Outcome:
        """The record of a call, or of a shadow's copy of one, that is about to be tried."""
        state = entry.state
        return Outcome(
            call_id=call.id, caller=call.caller.name, agent=call.agent, version=plan.version.name, reason=plan.reason,
            unit=plan.unit, rollout=state.rollout if state else 0, evidence=state.evidence if state else 0,
            arm=(arm := arm_of(plan, entry)), stream=call.stream, received_at=call.received_at,
            thresholds=entry.thresholds.get(arm) if arm else None,
            request_id=call.request_id, is_only_caller=call.caller.is_only, conversation=name_of(call),
        )  # fmt: skip

    def close(self, outcome: Outcome, prices: PriceBook) -> None:
        """Record a call that has ended. Called once, whatever happened."""
        outcome.ended_at = self._clock.monotonic()
        self._price(outcome, prices)
        spent, arm = Spent.by(outcome.attempts), outcome.arm
        batch = self._batch(outcome)
        _count(outcome, spent, outcome.judged, _tally(batch, outcome.version + _TALLIES[outcome.reason]))
        if arm is not None:
            counts = batch.canary if arm == "canary" else batch.stable
            if outcome.censored:
                counts.uncounted += 1
            else:
                self._weigh(outcome, counts, batch)
        if outcome.conversation:
            self.conversations.note(outcome)
        self._log.often(_line(outcome, spent))

    def score(self, entry: Entry, booking: Booking, version: str, score: float) -> None:
        """Book feedback (0…1) on the version that served; on its arm's evidence too, if the call was on trial."""
        badness = round((1.0 - score) * WHOLE)
        key = (booking.rollout, booking.evidence)
        batch = self._pending.setdefault(entry.agent.name, {}).setdefault(key, Batch(*key))
        tally = _tally(batch, version + APART if booking.apart else version)
        tally.scores += 1
        tally.badness += badness
        if booking.arm is None:
            return
        arm = batch.canary if booking.arm == "canary" else batch.stable
        if not _mark(arm, SCORED, booking.unit) or not badness:
            return
        _mark(arm, QUALITY, booking.unit, badness)
        if booking.arm == "canary":
            self.flush_requests.ask(entry.agent.name)

    def agents(self) -> Iterable[str]:
        """The agents that have something to flush."""
        return [*self._pending, *self.conversations.agents()]

    def waiting(self, agent: str) -> int:
        """Count an agent's batches that wait to be flushed."""
        return len(self._pending.get(agent, ()))

    def take(self, agent: str) -> Batch | None:
        """The oldest batch of an agent, which the recorder then forgets; None when there is nothing."""
        batches = self._pending.get(agent)
        if not batches:
            return None
        batch = batches.pop(next(iter(batches)))
        if not batches:
            del self._pending[agent]
        return batch

    def pending(self, agent: str, evidence: int) -> Batch | None:
        """Return the batch of one evidence epoch of an agent that waits to be flushed; it stays where it is."""
        batches = self._pending.get(agent, {})
        return next((batch for (_, epoch), batch in batches.items() if epoch == evidence), None)

    def _price(self, outcome: Outcome, prices: PriceBook) -> None:
        for attempt in outcome.attempts:
            if attempt.cost_nano_usd is None:
                attempt.cost_nano_usd = prices.cost(attempt.target, attempt.usage, self._clock.unix())
                if attempt.cost_nano_usd is None and attempt.usage is not None:
                    prices.miss(outcome.agent, attempt.target)

    def _batch(self, outcome: Outcome) -> Batch:
        key = (outcome.rollout, outcome.evidence)
        batches = self._pending.get(outcome.agent)
        if batches is None:
            batches = self._pending[outcome.agent] = {}
        batch = batches.get(key)
        if batch is None:
            batch = batches[key] = Batch(*key)
        return batch

    def _weigh(self, outcome: Outcome, arm: Arm, batch: Batch) -> None:
        """Take a call of a trial as evidence on its arm, for what it is."""
        is_rejected = outcome.rejected and not outcome.excused
        if (outcome.judged or is_rejected) and not outcome.is_only_caller:
            batch.callers.add(outcome.caller)
        if outcome.judged:
            self._judge(outcome, arm)
            return
        arm.uncounted += 1
        if is_rejected:
            _mark_rejected(outcome, arm)

    def _judge(self, outcome: Outcome, arm: Arm) -> None:
        """Book a call on its arm: whether it failed, was slow, and what it took."""
        arm.requests += 1
        unit, failed = unit_id(outcome.unit), outcome.failed and not outcome.excused
        if failed:
            arm.errors += 1
            _mark(arm, ERRORS, unit)
        elif outcome.thresholds is not None and not outcome.failed:
            _mark_slow(outcome, outcome.thresholds.slow, unit, arm)
            if not outcome.overtaken:  # what an attempt that was cut short took is an estimate, and too low
                _sample(outcome, outcome.thresholds.scales, unit, arm)
        if outcome.arm == "canary":
            if len(arm.units) < MAX_UNITS:
                arm.units.add(unit)
            if failed:  # what is slow is seen soon enough by the regular flush, and is far more usual
                self.flush_requests.ask(outcome.agent)


def arm_of(plan: Plan, entry: Entry) -> ArmName | None:
    """The side of a trial that a call of that plan belongs to."""
    if plan.reason != "split":
        return None
    if entry.is_completed:
        return "canary"  # there is no control any more, but it is still watched
    if not entry.on_trial:
        return None
    return "canary" if plan.version is entry.split.canary else "stable"


def _at_least(outcome: Outcome) -> float:
    """Return the seconds that an overtaken call is taken to have lasted.

    What is open is decided in the canary's favour, so that no hedge makes it look worse than stable (decision 13).

    What is open is decided in the canary's favour, so that no hedge makes it look worse than stable (decision 13).
    """
    return math.inf if outcome.arm == "stable" else outcome.attempts[0].ended_at - outcome.received_at


def _mark(arm: Arm, component: str, unit: str, badness: int = WHOLE) -> bool:
    """Note the unit under the component, once; whether it is noted there, for which there must be room."""
    units = arm.bad.setdefault(component, {})
    if unit not in units and len(units) >= MAX_FAILING_UNITS:
        return False
    units.setdefault(unit, badness)
    return True


def _mark_rejected(outcome: Outcome, arm: Arm) -> None:
    """Note the unit as rejected; of the canary's also by whose call, because no caller proves anything alone."""
    unit = unit_id(outcome.unit)
    if _mark(arm, REJECTIONS, unit) and outcome.arm == "canary":
        _mark(arm, rejections_of(int(unit_id(outcome.caller), 16) % CALLER_BINS), unit)


def _mark_slow(outcome: Outcome, slow: Iterable[SlowThreshold], unit: str, arm: Arm) -> None:
    """Note the unit under the kinds of slowness that this call falls under."""
    latency = outcome.ended_at - outcome.received_at
    first = None if outcome.first_token_at is None else outcome.first_token_at - outcome.received_at
    if outcome.overtaken:  # the client saw the hedge's time, and how long the version would have taken is not known
        latency = _at_least(outcome)
        first = latency if outcome.stream else None
    for threshold in slow:
        seconds = latency if threshold.measure == "latency" else first
        if seconds is not None and seconds > threshold.seconds:
            _mark(arm, threshold.component, unit)


def _sample(outcome: Outcome, scales: Mapping[str, Scale], unit: str, arm: Arm) -> None:
    """Add what the call took to its arm's samples."""
    bin_index = int(unit, 16) % BINS
    for metric, scale in scales.items():
        used = _USED[metric](outcome)
        if used is None:
            continue
        sums = arm.samples.get(metric)
        if sums is None:
            sums = arm.samples[metric] = SampleSums()
        sums.add(scale.scaled(used), bin_index)


def _cost(outcome: Outcome) -> int | None:
    """Return the cost of the first attempt in nano-USD: a fallback's bill is not the version's doing."""
    return outcome.attempts[0].cost_nano_usd


def _tokens(outcome: Outcome) -> int | None:
    usage = outcome.attempts[0].usage
    return None if usage is None else usage.input + usage.output


_AMOUNTS: Mapping[Amount, Callable[[Outcome], int | None]] = {"cost": _cost, "tokens": _tokens}
_USED = {name: _AMOUNTS[mean.amount] for name, mean in MEANS.items()}


@lru_cache(maxsize=1024)  # asked for twice a call, and a conversation comes back
def unit_id(unit: str) -> str:
    """A short name for a unit that tells nothing of it: 16 hex digits."""
    return blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _tally(batch: Batch, key: str) -> Tally:
    """The batch's tally under that key; not by `setdefault`, for which a Tally is too dear to be made in vain."""
    tally = batch.tallies.get(key)
    if tally is None:
        tally = batch.tallies[key] = Tally()
    return tally


def _count(outcome: Outcome, spent: Spent, judged: bool, tally: Tally) -> None:
    """Add a call to its version's tally."""
    tally.requests += 1
    tally.input_tokens += spent.input
    tally.cached_tokens += spent.cached
    tally.output_tokens += spent.output
    tally.reasoning_tokens += spent.reasoning
    tally.cost_nano_usd += spent.cost_nano_usd
    tally.unpriced += spent.unpriced
    if outcome.end in ("answered", "escalated"):
        tally.latency[histogram_bucket(outcome.ended_at - outcome.received_at)] += 1
        if outcome.first_token_at is not None:
            tally.ttft[histogram_bucket(outcome.first_token_at - outcome.received_at)] += 1
    if outcome.failed:
        tally.errors += 1
    elif judged:
        if not outcome.overtaken:
            _count_amounts(outcome, tally)
    else:
        tally.unjudged += 1
        tally.rejected += outcome.rejected
    tally.censored += outcome.censored
    if outcome.end == "escalated":
        tally.escalations += 1
    if len(outcome.attempts) > 1:
        tally.fallbacks += outcome.fell_back
    if outcome.hedge is not None:
        tally.hedges += 1
        tally.hedges_won += outcome.hedge == "won"


def _count_amounts(outcome: Outcome, tally: Tally) -> None:
    """Count the time, cost and tokens of a good call, for the distribution from which a step's caps are frozen."""
    if (cost := _cost(outcome)) is not None:
        tally.cost[amount_bucket(cost)] += 1
    if (tokens := _tokens(outcome)) is not None:
        tally.tokens[amount_bucket(tokens)] += 1


def _line(outcome: Outcome, spent: Spent) -> dict[str, object]:
    """The call's log line: an allow-list of names and numbers."""
    attempts = outcome.attempts
    failure = attempts[0].failure if attempts else None
    first = outcome.first_token_at
    unknown = spent.unpriced or spent.untold
    return {
        "event": "shadow" if outcome.reason == "shadow" else "call",
        "id": outcome.call_id,
        "request_id": outcome.request_id or None,
        "caller": outcome.caller,
        "agent": outcome.agent,
        "version": outcome.version,
        "reason": outcome.reason,
        "arm": outcome.arm,
        "censored": outcome.censored,
        "stream": outcome.stream,
        "end": outcome.end,
        "status": outcome.status,
        "failed": outcome.failed,
        "failure": failure,
        "why": attempts[0].message if failure in _OUR_WORDS else None,
        "hedge": outcome.hedge,
        "attempts": [(attempt.target, attempt.status, attempt.failure) for attempt in attempts],
        "latency": round(outcome.ended_at - outcome.received_at, 6),
        "ttft": round(first - outcome.received_at, 6) if first else None,
        "input_tokens": spent.input,
        "cached_tokens": spent.cached,
        "output_tokens": spent.output,
        "estimated": spent.estimated,
        "cost_usd": None if unknown else spent.cost_nano_usd / _NANO,
    }
