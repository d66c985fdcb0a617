"""Recorder of calls: one log line each, and sums for the store, exactly once.

Everything here is memory and arithmetic; nothing waits. Batches are taken by whoever flushes them, and grow only with
the number of versions and failing units, so they may be kept for as long as the store is away.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.calls import UNANSWERED, Attempt, Call, Outcome, Spent
from gateway.contents.selection import hear_request
from gateway.heard import HeldBytes
from gateway.logs import Log
from gateway.pricing import PriceBook
from gateway.rollout.call_id import Booking
from gateway.rollout.flush_requests import FlushRequests
from gateway.rollout.named_conversations import Conversations
from gateway.rollout.spending import spend
from gateway.rollout.table import Entry
from gateway.rollout.weighing import Unshared, cost_of, mark, tokens_of, weigh
from gateway.store.cells import APART, SHADOW
from gateway.store.failures import FailureReason, common_part
from gateway.store.seam import Arm, Batch
from gateway.telemetry.call_counts import CallCounts
from gateway.telemetry.seam import CallTracing
from gateway.traces.finished import FinishedCalls
from policies.evidence.evidence import QUALITY, SCORED, WHOLE
from policies.evidence.tally import Tally, amount_bucket, histogram_bucket
from routing.assignment import Reason

_NANO = 1e9
_TALLIES: Mapping[Reason, str] = {
    "split": "", "pin": APART, "rule": APART, "passed": APART, "shadow": SHADOW, "model": "",
}  # fmt: skip
OTHER_MODELS = "/other"  # sums of plain models that have never answered, or that are too many to be told apart
_MOST_MODELS = 500  # plain models that this replica tells apart: clients choose their names


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds for durations, Unix seconds for prices and the log."""

    monotonic: Callable[[], float]
    unix: Callable[[], float]


class Recorder:
    """Gathers outcomes of one replica, and asks for a flush at once where a canary has failed a call."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self.flush_requests = FlushRequests()
        self._pending: dict[str, dict[tuple[int, int], Batch]] = {}
        self._known = Unshared()
        self.conversations = Conversations()
        self.finished = FinishedCalls(clock.monotonic, clock.unix)
        self.tracing: CallTracing | None = None  # set where spans are exported
        self.counts = CallCounts()
        self.held = HeldBytes()
        self._models: dict[str, float] = {}  # when the last call of each ended, monotonic

    def close(self, outcome: Outcome, prices: PriceBook, call: Call | None = None) -> None:
        """Record a call that has ended. Called once, whatever happened. `call` is the client's request."""
        outcome.ended_at = self._clock.monotonic()
        self._price(outcome, prices)
        spent, arm, judged = Spent.by(outcome.attempts), outcome.arm, outcome.judged
        batch = self._batch(outcome)
        if outcome.party and outcome.reason == "split" and (judged or outcome.rejected):
            batch.parties.add(outcome.party)
        name = outcome.version if outcome.reason != "model" else self._model(outcome)
        tally, spending = batch.cells.sums(name + _TALLIES[outcome.reason], outcome.arm or "", outcome.ended_at)
        _count(outcome, spent, judged, tally)
        if outcome.attempts and outcome.attempts[0].failure is not None:
            self._note_reason(batch, outcome)
        spend(outcome, name, spending)
        if arm is not None:
            counts = batch.canary if arm == "canary" else batch.stable
            if outcome.censored or outcome.held:
                counts.uncounted += 1
                counts.left_out += outcome.held
            else:
                if outcome.origin:
                    counts = _earlier_arm(batch, outcome, counts)
                if weigh(outcome, judged, counts, self._known):
                    self.flush_requests.ask(outcome.agent)
        if outcome.conversation and outcome.reason != "model":
            self.conversations.note(outcome)
        if call is not None:
            if outcome.heard is not None:
                hear_request(outcome.heard, call.format, call.document)
            self.counts.count(outcome, call, name)
            self.finished.note(outcome, call)
        line = _line(outcome, spent) if outcome.reason != "model" else _model_line(outcome, spent)
        if self.tracing is not None and call is not None:
            line["trace_id"] = self.tracing.note(outcome, call)
        self._log.often(line)

    def score(self, entry: Entry, booking: Booking, version: str, score: float, party: str = "") -> None:
        """Book a party's feedback (0…1) on the version that served; on its arm's evidence too, if that was on trial."""
        badness = round((1.0 - score) * WHOLE)
        epochs = (booking.rollout, booking.evidence)
        batch = self._pending.setdefault(entry.agent.name, {}).setdefault(epochs, Batch(*epochs))
        key = version + APART if booking.apart else version
        tally = batch.cells.tally(key, booking.arm or "", self._clock.monotonic())
        tally.scores += 1
        self.counts.score(entry.agent.name, version, "apart" if booking.apart else booking.arm or "")
        tally.badness += badness
        if booking.arm is None:
            return
        arm = batch.canary if booking.arm == "canary" else batch.stable
        if not mark(arm, SCORED, booking.unit, party) or not badness:
            return
        mark(arm, QUALITY, booking.unit, party, badness)
        if booking.arm == "canary":
            self.flush_requests.ask(entry.agent.name)

    def agents(self) -> Iterable[str]:
        """The agents that have something to flush."""
        return [*self._pending, *self.conversations.agents()]

    def waiting(self, agent: str) -> int:
        """Count an agent's batches that wait to be flushed."""
        return len(self._pending.get(agent, ()))

    def now(self) -> float:
        """The time on the clock by which calls end, in monotonic seconds."""
        return self._clock.monotonic()

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

    def models_called(self, within: float) -> list[str]:
        """Return the plain models that have answered here, and were called in so many seconds."""
        since = self._clock.monotonic() - within
        return [name for name, ended_at in self._models.items() if ended_at >= since]

    def _note_reason(self, batch: Batch, outcome: Outcome) -> None:
        """Count why the version's own attempt failed. Copies and plain models have no reasons of their own."""
        tried = outcome.attempts[0]
        if tried.failure in (None, "overtaken") or outcome.reason in ("shadow", "model"):
            return
        message = common_part(tried.message)
        reason = FailureReason(tried.target, tried.failure, tried.status, tried.code, message, tried.counts)
        batch.reasons.note(outcome.version, reason, outcome.call_id, self._clock.unix())

    def _price(self, outcome: Outcome, prices: PriceBook) -> None:
        for attempt in outcome.attempts:
            if attempt.cost_nano_usd is None:
                attempt.cost_nano_usd = prices.cost(attempt.target, attempt.usage, self._clock.unix())
                if attempt.cost_nano_usd is None and attempt.usage is not None:
                    prices.miss(outcome.agent, attempt.target)
        first = outcome.attempts[0] if outcome.attempts else None
        if first is not None and first.usage is not None and first.usage.touches_cache:
            first.neutral_nano_usd = prices.cost(first.target, first.usage.without_cache(), self._clock.unix())

    def _model(self, outcome: Outcome) -> str:
        """Return the name under which a plain model's call is summed up: its own, once the model has answered."""
        if outcome.version in self._models:
            self._models[outcome.version] = outcome.ended_at
            return outcome.version
        if outcome.end != "answered" or len(self._models) >= _MOST_MODELS:
            return OTHER_MODELS
        self._models[outcome.version] = outcome.ended_at
        return outcome.version

    def _batch(self, outcome: Outcome) -> Batch:
        key = (outcome.rollout, outcome.evidence)
        batches = self._pending.get(outcome.agent)
        if batches is None:
            batches = self._pending[outcome.agent] = {}
        batch = batches.get(key)
        if batch is None:
            batch = batches[key] = Batch(*key)
        return batch


def _earlier_arm(batch: Batch, outcome: Outcome, running: Arm) -> Arm:
    """The arm of the step in which the call's conversation began; the running step's is served all the same."""
    running.uncounted += 1
    stable, canary = batch.earlier.setdefault(outcome.origin, (Arm(), Arm()))
    return canary if outcome.arm == "canary" else stable


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
    elif outcome.end in UNANSWERED:
        tally.unanswered += 1
    if outcome.failed:
        tally.errors += 1
        kind = outcome.attempts[0].failure or "status"
        tally.failures[kind] = tally.failures.get(kind, 0) + 1
    elif judged:
        if outcome.hedge is None or not outcome.overtaken:
            _count_amounts(outcome, tally)
    else:
        tally.unjudged += 1
    tally.units += outcome.begins
    tally.rejected += outcome.rejected
    tally.censored += outcome.censored
    tally.held += outcome.held
    if outcome.end == "escalated":
        tally.escalations += 1
    if len(outcome.attempts) > 1:
        tally.fallbacks += outcome.fell_back
    if outcome.hedge is not None:
        tally.hedges += 1
        tally.hedges_won += outcome.hedge == "won"


def _count_amounts(outcome: Outcome, tally: Tally) -> None:
    """Count what a good call took, for the distribution from which a step's caps are frozen."""
    if (cost := cost_of(outcome)) is not None:
        tally.cost[amount_bucket(cost)] += 1
    if (tokens := tokens_of(outcome)) is not None:
        tally.tokens[amount_bucket(tokens)] += 1


def _line(outcome: Outcome, spent: Spent) -> dict[str, object]:
    """The call's log line: an allow-list of names and numbers, and why its attempts failed."""
    attempts = outcome.attempts
    failure = attempts[0].failure if attempts else None
    first = outcome.first_token_at
    unknown = spent.unpriced or spent.unreported
    line: dict[str, object] = {
        "event": "shadow" if outcome.reason == "shadow" else "call",
        "id": outcome.call_id,
        "request_id": outcome.request_id or None,
        "caller": outcome.caller,
        "agent": outcome.agent,
        "version": outcome.version,
        "reason": outcome.reason,
        "arm": outcome.arm,
        "censored": outcome.censored,
        "held": outcome.held,
        "stream": outcome.stream,
        "end": outcome.end,
        "status": outcome.status,
        "failed": outcome.failed,
        "failure": failure,
        "why": (attempts[0].message if failure else outcome.refusal) or None,
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
    if failure is not None or len(attempts) > 1:
        line["failures"] = failures_in(attempts, outcome.received_at)
    return line


def failures_in(attempts: Sequence[Attempt], since: float) -> list[dict[str, object]]:
    """Return why attempts failed, for a log line; `since` is the time on their clock from which seconds count."""
    return [_failure(attempt, since) for attempt in attempts if attempt.failure not in (None, "overtaken")]


def _failure(attempt: Attempt, since: float) -> dict[str, object]:
    return {
        "target": attempt.target,
        "status": attempt.status,
        "failure": attempt.failure,
        "message": attempt.message or None,
        "code": attempt.code or None,
        "param": attempt.param or None,
        "upstream_id": attempt.upstream_id or None,
        "began": round(attempt.started_at - since, 6),
        "seconds": round(max(attempt.ended_at - attempt.started_at, 0.0), 6),
    }


def _model_line(outcome: Outcome, spent: Spent) -> dict[str, object]:
    """The log line of a plain model's call, which has neither an agent nor a version."""
    return {**_line(outcome, spent), "agent": None, "version": None, "model": outcome.version}
