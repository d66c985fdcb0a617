"""What became of each call, recorded exactly once: one log line, and sums for the store.

Everything here is memory and arithmetic; nothing waits. Batches are taken by whoever flushes them, and grow only with
the number of versions and failing units, so they may be kept for as long as the store is away.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gateway.callid import Booking, name_digest
from gateway.calls import ArmName, Attempt, Call, Outcome
from gateway.logs import Log
from gateway.pricing import PriceBook
from gateway.store.seam import MAX_FAILING_UNITS, MAX_UNITS, Arm, Batch, SampleSums
from gateway.table import Entry
from policies.evidence import SCORED, WHOLE
from policies.means import BINS
from policies.tally import Tally, amount_bucket, histogram_bucket
from routing.assignment import Reason
from routing.plan import Plan

# Failures whose messages are ours or the transport's; what a provider says may quote a prompt.
_OUR_WORDS = frozenset({"connect", "lost", "timeout", "malformed", "truncated", "circuit_open"})
APART = "/apart"  # what follows a version's name in the tally of its pinned, rule-matched and passed calls
SHADOW = "/shadow"  # and in that of the copies it got as a shadow
_TALLIES: Mapping[Reason, str] = {"split": "", "pin": APART, "rule": APART, "passed": APART, "shadow": SHADOW}


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds for durations, Unix seconds for prices and the log."""

    monotonic: Callable[[], float]
    unix: Callable[[], float]


def booking_of(outcome: Outcome) -> Booking:
    """Where an outcome will be booked."""
    return Booking(
        agent=name_digest(outcome.agent),
        version=name_digest(outcome.version),
        arm=outcome.arm,
        apart=outcome.reason != "split",
        rollout=outcome.rollout,
        evidence=outcome.evidence,
        unit=unit_id(outcome.unit),
    )


class Recorder:
    """Gathers outcomes of one replica. `on_bad_canary` is told the agent's name at once."""

    def __init__(self, log: Log, clock: Clock, on_bad_canary: Callable[[str], None]) -> None:
        self._log = log
        self._clock = clock
        self._on_bad_canary = on_bad_canary
        self._pending: dict[str, dict[tuple[int, int], Batch]] = {}

    def open(self, call: Call, plan: Plan, entry: Entry) -> Outcome:
        """The record of a call, or of a shadow's copy of one, that is about to be tried."""
        state, version = entry.state, plan.version
        return Outcome(
            call_id=call.id, caller=call.caller.name, agent=call.agent, version=version.name, digest=version.digest,
            reason=plan.reason, unit=plan.unit, rollout=state.rollout if state else 0,
            evidence=state.evidence if state else 0, arm=(arm := arm_of(plan, entry)), stream=call.stream,
            received_at=call.received_at, yardstick=entry.yardsticks.get(arm) if arm else None,
        )  # fmt: skip

    def close(self, outcome: Outcome, prices: PriceBook) -> None:
        """Record a call that has ended. Called once, whatever happened."""
        outcome.ended_at = self._clock.monotonic()
        self._price(outcome, prices)
        batch = self._batch(outcome)
        self._count(outcome, _tally(batch, outcome.version + _TALLIES[outcome.reason]))
        if outcome.arm is not None and outcome.judged:
            self._judge(outcome, batch.canary if outcome.arm == "canary" else batch.stable)
        self._log.info("shadow" if outcome.reason == "shadow" else "call", fields=_line(outcome))

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
        _mark(arm, "quality", booking.unit, badness)
        if booking.arm == "canary":
            self._on_bad_canary(entry.agent.name)

    def agents(self) -> Iterable[str]:
        """The agents that have something to flush."""
        return list(self._pending)

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
        """What waits to be flushed for one evidence epoch of an agent; it is left where it is."""
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
        batches = self._pending.setdefault(outcome.agent, {})
        if key not in batches:
            batches[key] = Batch(*key)
        return batches[key]

    def _count(self, outcome: Outcome, tally: Tally) -> None:
        failed, judged = outcome.failed, outcome.judged
        tally.requests += 1
        tally.errors += failed
        tally.fallbacks += any(attempt.target != outcome.attempts[0].target for attempt in outcome.attempts[1:])
        tally.escalations += outcome.end == "escalated"
        tally.unjudged += not judged
        _count_usage(outcome.attempts, tally)
        if outcome.end in ("answered", "escalated"):
            tally.latency[histogram_bucket(outcome.ended_at - outcome.received_at)] += 1
            if outcome.first_token_at is not None:
                tally.ttft[histogram_bucket(outcome.first_token_at - outcome.received_at)] += 1
        if judged and not failed:
            _count_amounts(outcome, tally)

    def _judge(self, outcome: Outcome, arm: Arm) -> None:
        """Book a call on its arm: whether it failed, was slow, and what it took."""
        arm.requests += 1
        unit = unit_id(outcome.unit)
        bad = set(self._slow(outcome))
        if outcome.failed:
            arm.errors += 1
            bad.add("errors")
        else:
            self._sample(outcome, unit, arm)
        for component in bad:
            _mark(arm, component, unit)
        if outcome.arm == "canary":
            if len(arm.units) < MAX_UNITS:
                arm.units.add(unit)
            if outcome.failed:  # what is slow is seen soon enough by the regular flush, and is far more usual
                self._on_bad_canary(outcome.agent)

    def _slow(self, outcome: Outcome) -> Iterable[str]:
        """The components of slowness that this call falls under; a call that failed is only a failure."""
        if outcome.yardstick is None or outcome.failed:
            return
        latency = outcome.ended_at - outcome.received_at
        first = None if outcome.first_token_at is None else outcome.first_token_at - outcome.received_at
        for mark in outcome.yardstick.slow:
            seconds = latency if mark.measure == "latency" else first
            if seconds is not None and seconds > mark.seconds:
                yield mark.component

    def _sample(self, outcome: Outcome, unit: str, arm: Arm) -> None:
        if outcome.yardstick is None:
            return
        used = {"cost": _cost(outcome), "tokens": _tokens(outcome)}
        for metric, scale in outcome.yardstick.scales.items():
            value = used.get(metric)
            if value is not None:
                _add(arm.samples.setdefault(metric, SampleSums()), scale.scaled(value), int(unit, 16) % BINS)


def arm_of(plan: Plan, entry: Entry) -> ArmName | None:
    """The side of a trial that a call of that plan belongs to."""
    if plan.reason != "split":
        return None
    if entry.is_completed:
        return "canary"  # there is no control any more, but it is still watched
    if not entry.on_trial:
        return None
    return "canary" if plan.version is entry.split.canary else "stable"


def _mark(arm: Arm, component: str, unit: str, badness: int = WHOLE) -> bool:
    """Note the unit under the component, once; whether it is noted there, for which there must be room."""
    units = arm.bad.setdefault(component, {})
    if unit not in units and len(units) >= MAX_FAILING_UNITS:
        return False
    units.setdefault(unit, badness)
    return True


def _add(sums: SampleSums, value: int, bin_index: int) -> None:
    sums.n += 1
    sums.total += value
    sums.squares += value * value
    held = sums.bins.setdefault(bin_index, [0, 0])
    held[0] += value
    held[1] += 1


def _cost(outcome: Outcome) -> int | None:
    """What the first attempt cost, in nano-USD: a fallback's bill is not the version's doing."""
    return outcome.attempts[0].cost_nano_usd


def _tokens(outcome: Outcome) -> int | None:
    usage = outcome.attempts[0].usage
    return None if usage is None else usage.input + usage.output


def unit_id(unit: str) -> str:
    """A short name for a unit that tells nothing of it: 16 hex digits."""
    return hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _tally(batch: Batch, key: str) -> Tally:
    """The batch's tally under that key; not by `setdefault`, for which a Tally is too dear to be made in vain."""
    tally = batch.tallies.get(key)
    if tally is None:
        tally = batch.tallies[key] = Tally()
    return tally


def _count_usage(attempts: Iterable[Attempt], tally: Tally) -> None:
    for attempt in attempts:
        usage = attempt.usage
        if usage is None:
            continue
        tally.input_tokens += usage.input
        tally.cached_tokens += usage.cached
        tally.output_tokens += usage.output
        tally.reasoning_tokens += usage.reasoning
        tally.cost_nano_usd += attempt.cost_nano_usd or 0
        tally.unpriced += attempt.cost_nano_usd is None


def _count_amounts(outcome: Outcome, tally: Tally) -> None:
    """What a good call took, for the distribution from which a step's caps are frozen."""
    if (cost := _cost(outcome)) is not None:
        tally.cost[amount_bucket(cost)] += 1
    if (tokens := _tokens(outcome)) is not None:
        tally.tokens[amount_bucket(tokens)] += 1


def _line(outcome: Outcome) -> dict[str, object]:
    """The call's log line: an allow-list of names and numbers."""
    first = outcome.attempts[0] if outcome.attempts else None
    failure = first.failure if first else None
    return {
        "id": outcome.call_id,
        "caller": outcome.caller,
        "agent": outcome.agent,
        "version": outcome.version,
        "reason": outcome.reason,
        "arm": outcome.arm,
        "stream": outcome.stream,
        "end": outcome.end,
        "status": outcome.status,
        "failed": outcome.failed,
        "failure": failure,
        "why": first.message if first and failure in _OUR_WORDS else None,
        "attempts": [(attempt.target, attempt.status, attempt.failure) for attempt in outcome.attempts],
        "latency": round(outcome.ended_at - outcome.received_at, 6),
        "ttft": round(outcome.first_token_at - outcome.received_at, 6) if outcome.first_token_at else None,
        **_usage_line(outcome.attempts),
    }


def _usage_line(attempts: list[Attempt]) -> dict[str, object]:
    given = cached = output = cost = 0
    estimated = unpriced = False
    for attempt in attempts:
        if usage := attempt.usage:
            given += usage.input
            cached += usage.cached
            output += usage.output
            estimated |= usage.estimated
            cost += attempt.cost_nano_usd or 0
            unpriced |= attempt.cost_nano_usd is None
        else:
            unpriced |= attempt.failure is None  # it answered, and nobody said what that took
    return {
        "input_tokens": given,
        "cached_tokens": cached,
        "output_tokens": output,
        "estimated": estimated,
        "cost_usd": None if unpriced else cost / 1e9,
    }
