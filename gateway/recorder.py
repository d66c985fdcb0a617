"""What became of each call, recorded exactly once: one log line, and sums for the store.

Everything here is memory and arithmetic; nothing waits. Batches are taken by whoever flushes them, and grow only with
the number of versions and failing units, so they may be kept for as long as the store is away.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.calls import ArmName, Attempt, Call, Outcome, Usage
from gateway.logs import Log
from gateway.pricing import PriceBook
from gateway.store.seam import MAX_FAILING_UNITS, Arm, Batch
from gateway.table import Entry
from policies.tally import Tally, histogram_bucket
from routing.plan import Plan

# Failures whose messages are ours or the transport's; what a provider says may quote a prompt.
_OUR_WORDS = frozenset({"connect", "lost", "timeout", "malformed", "truncated", "circuit_open"})
APART = "/apart"  # what follows a version's name in the tally of its pinned and rule-matched calls


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds for durations, Unix seconds for prices and the log."""

    monotonic: Callable[[], float]
    unix: Callable[[], float]


class Recorder:
    """Gathers outcomes of one replica. `on_canary_failure` is told the agent's name at once."""

    def __init__(self, log: Log, clock: Clock, on_canary_failure: Callable[[str], None]) -> None:
        self._log = log
        self._clock = clock
        self._on_canary_failure = on_canary_failure
        self._pending: dict[str, dict[tuple[int, int], Batch]] = {}

    def open(self, call: Call, plan: Plan, entry: Entry) -> Outcome:
        """The record of a call that is about to be tried."""
        state, version = entry.state, plan.version
        return Outcome(
            call_id=call.id, caller=call.caller.name, agent=call.agent, version=version.name, digest=version.digest,
            reason=plan.reason, unit=plan.unit, rollout=state.rollout if state else 0,
            evidence=state.evidence if state else 0, arm=_arm(plan, entry), stream=call.stream,
            received_at=call.received_at,
        )  # fmt: skip

    def close(self, outcome: Outcome, prices: PriceBook) -> None:
        """Record a call that has ended. Called once, whatever happened."""
        outcome.ended_at = self._clock.monotonic()
        self._price(outcome, prices)
        batch = self._batch(outcome)
        self._count(outcome, batch.tallies.setdefault(_tally_key(outcome), Tally()))
        if outcome.arm is not None and outcome.judged:
            self._judge(outcome, batch.canary if outcome.arm == "canary" else batch.stable)
        self._log.info("call", **_line(outcome))

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

    def _price(self, outcome: Outcome, prices: PriceBook) -> None:
        now = self._clock.unix()
        for attempt in outcome.attempts:
            if attempt.cost_nano_usd is None:
                attempt.cost_nano_usd = prices.cost(attempt.target, attempt.usage, now)

    def _batch(self, outcome: Outcome) -> Batch:
        key = (outcome.rollout, outcome.evidence)
        batches = self._pending.setdefault(outcome.agent, {})
        if key not in batches:
            batches[key] = Batch(*key)
        return batches[key]

    def _count(self, outcome: Outcome, tally: Tally) -> None:
        tally.requests += 1
        tally.errors += outcome.failed
        tally.fallbacks += len({attempt.target for attempt in outcome.attempts}) > 1
        tally.escalations += outcome.end == "escalated"
        tally.unjudged += not outcome.judged
        _count_usage(outcome.attempts, tally)
        if outcome.end in ("answered", "escalated"):
            tally.latency[histogram_bucket(outcome.ended_at - outcome.received_at)] += 1
            if outcome.first_token_at is not None:
                tally.ttft[histogram_bucket(outcome.first_token_at - outcome.received_at)] += 1

    def _judge(self, outcome: Outcome, arm: Arm) -> None:
        arm.requests += 1
        if not outcome.failed:
            return
        arm.errors += 1
        if len(arm.failing) < MAX_FAILING_UNITS:
            arm.failing.add(unit_id(outcome.unit))
        if outcome.arm == "canary":
            self._on_canary_failure(outcome.agent)


def unit_id(unit: str) -> str:
    """A short name for a unit that tells nothing of it: 16 hex digits."""
    return hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _arm(plan: Plan, entry: Entry) -> ArmName | None:
    if plan.reason != "split" or not entry.on_trial:
        return None
    return "canary" if plan.version is entry.split.canary else "stable"


def _tally_key(outcome: Outcome) -> str:
    return outcome.version if outcome.reason == "split" else outcome.version + APART


def _count_usage(attempts: Iterable[Attempt], tally: Tally) -> None:
    for attempt in attempts:
        usage = attempt.usage or Usage()
        tally.input_tokens += usage.input
        tally.cached_tokens += usage.cached
        tally.output_tokens += usage.output
        tally.reasoning_tokens += usage.reasoning
        tally.cost_nano_usd += attempt.cost_nano_usd or 0
        tally.unpriced += attempt.usage is not None and attempt.cost_nano_usd is None


def _line(outcome: Outcome) -> dict[str, object]:
    """The call's log line: an allow-list of names and numbers."""
    first = outcome.attempts[0] if outcome.attempts else None
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
        "failure": first.failure if first else None,
        "why": first.message if first and first.failure in _OUR_WORDS else None,
        "attempts": [[attempt.target, attempt.status, attempt.failure] for attempt in outcome.attempts],
        "latency": round(outcome.ended_at - outcome.received_at, 6),
        "ttft": round(outcome.first_token_at - outcome.received_at, 6) if outcome.first_token_at else None,
        **_usage_line(outcome.attempts),
    }


def _usage_line(attempts: list[Attempt]) -> dict[str, object]:
    used = [attempt.usage for attempt in attempts if attempt.usage]
    costs = [attempt.cost_nano_usd for attempt in attempts if attempt.usage]
    return {
        "input_tokens": sum(usage.input for usage in used),
        "cached_tokens": sum(usage.cached for usage in used),
        "output_tokens": sum(usage.output for usage in used),
        "estimated": any(usage.estimated for usage in used),
        "cost_usd": None if None in costs else sum(cost or 0 for cost in costs) / 1e9,
    }
