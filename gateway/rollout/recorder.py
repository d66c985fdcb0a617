"""Recorder of calls: one log line each, and sums for the store, exactly once.

Everything here is memory and arithmetic; nothing waits. Batches are taken by whoever flushes them, and grow only with
the number of versions and failing units, so they may be kept for as long as the store is away.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.calls import Call, Outcome, Spent
from gateway.contents.selection import hear_request
from gateway.conversation import continued_answer
from gateway.formats.applied import AppliedVersion
from gateway.formats.registry import CLIENTS
from gateway.formats.returned_tools import returned_tools
from gateway.heard import HeldBytes
from gateway.logs import Log
from gateway.pricing import PriceBook
from gateway.rollout.behaviours import shown_by
from gateway.rollout.call_id import Booking
from gateway.rollout.call_lines import call_line, line_beginning, log_usual
from gateway.rollout.call_sums import add_up, count_call, spent_by
from gateway.rollout.chained_calls import ChainedCalls
from gateway.rollout.flush_requests import FlushRequests
from gateway.rollout.named_conversations import Conversations
from gateway.rollout.spending import spend, spend_alike, spend_on_judge
from gateway.rollout.table import Entry
from gateway.rollout.turns import count_turn
from gateway.rollout.usual_calls import UsualCalls, is_usual
from gateway.rollout.weighing import Unshared, mark, weigh
from gateway.store.cells import APART, SHADOW
from gateway.store.failures import FailureReason, common_part
from gateway.store.seam import Arm, Batch
from gateway.telemetry.call_counts import CallCounts
from gateway.telemetry.samples import Samples
from gateway.telemetry.seam import CallTracing
from gateway.tool_use import ReturnedTools
from gateway.traces.finished import FinishedCalls
from policies.evidence.evidence import GRADED, GRADED_QUALITY, QUALITY, SCORED, WHOLE, of_judge
from routing.assignment import Reason

_TALLIES: Mapping[Reason, str] = {
    "split": "", "pin": APART, "rule": APART, "passed": APART, "shadow": SHADOW, "model": "",
}  # fmt: skip
_UNEXAMINED: Collection[Reason] = ("passed", "model")  # calls that show nobody's behaviour
_CHAINED = frozenset(name for name, client in CLIENTS.items() if client.facts.keeps_answer is not None)
NOTHING_APPLIED: Mapping[str, AppliedVersion] = {}
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
        self.chained = ChainedCalls()
        self._usual = UsualCalls(partial(line_beginning, log))
        self._models: dict[str, float] = {}  # when the last call of each ended, monotonic

    def close(
        self,
        outcome: Outcome,
        prices: PriceBook,
        call: Call | None = None,
        applied: Mapping[str, AppliedVersion] = NOTHING_APPLIED,
    ) -> None:
        """Record a call that has ended. Called once, whatever happened. `call` is the client's request, `applied` are
        the agent's versions."""
        outcome.ended_at = self._clock.monotonic()
        self._price(outcome, prices)
        usual = is_usual(outcome)
        judged = usual or outcome.judged
        if usual and self._usual.is_due(outcome.ended_at):
            self._add_up(outcome.ended_at)
        batch = self._batch(outcome)
        if outcome.party and outcome.reason == "split" and (judged or outcome.rejected):
            batch.parties.add(outcome.party)
        name = outcome.version if outcome.reason != "model" else self._model(outcome)
        returned: ReturnedTools = ()
        if call is not None:
            returned = returned_tools(call.document.values)
            if returned or not usual or _is_examined(outcome, call):
                self._examine(outcome, call, applied, returned)
        if outcome.shown:
            self._count_shown(outcome, name, batch)
        kind = self._usual.note(outcome, name, call) if usual else None
        if kind is None:
            self._count(outcome, judged, name, batch, call)
        if outcome.arm is not None:
            self._weigh(outcome, judged, batch)
        if outcome.conversation and outcome.reason != "model":
            self.conversations.note(outcome)
        if call is not None:
            if outcome.heard is not None:
                hear_request(outcome.heard, call.format, call.document)
            self.finished.note(outcome, call, returned)
        trace_id = ""
        if self.tracing is not None and call is not None:
            trace_id = self.tracing.note(outcome, call, applied.get(outcome.version), returned)
            outcome.heard = None
        if kind is not None:
            log_usual(self._log, kind.beginning, outcome, trace_id)
            return
        line = call_line(outcome, Spent.by(outcome.attempts))
        if trace_id:
            line["trace_id"] = trace_id
        outcome.heard = None  # whoever wants it holds it by now
        self._log.often(line)

    def score(self, entry: Entry, booking: Booking, version: str, score: float, party: str = "") -> None:
        """Book a party's feedback (0…1) on the version that served; on its arm's evidence too, if that was on trial."""
        self._add_up()
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

    def grade(self, agent: str, booking: Booking, judge: str, score: float, party: str = "") -> None:
        """Book a judge's score (0…1) of a party's call as evidence on the arm that it was served on.

        `judge` is the beginning of its digest: what two judges find is never added up, nor with people's scores.
        """
        if booking.arm is None:
            return
        epochs = (booking.rollout, booking.evidence)
        batch = self._pending.setdefault(agent, {}).setdefault(epochs, Batch(*epochs))
        arm, badness = batch.canary if booking.arm == "canary" else batch.stable, round((1.0 - score) * WHOLE)
        if not mark(arm, of_judge(GRADED, judge), booking.unit, party) or not badness:
            return
        mark(arm, of_judge(GRADED_QUALITY, judge), booking.unit, party, badness)
        if booking.arm == "canary":
            self.flush_requests.ask(agent)

    def pay_judge(self, agent: str, booking: Booking, version: str, target: str, nano_usd: int) -> None:
        """Count what a judge's questions about a call have cost, apart from what calls cost."""
        self.counts.pay_judge(agent, nano_usd)
        if not nano_usd:
            return
        epochs, now = (booking.rollout, booking.evidence), self._clock.monotonic()
        batch = self._pending.setdefault(agent, {}).setdefault(epochs, Batch(*epochs))
        batch.cells.tally(version, booking.arm or "", now)
        spend_on_judge(target, nano_usd, batch.cells.spending(now))

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
        self._add_up()
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

    def samples(self) -> Samples:
        """Return a copy of all that was counted for metrics."""
        self._add_up()
        return self.counts.samples()

    def _add_up(self, at: float = 0.0) -> None:
        """Count the usual calls that wait. `at` is when the next one ended, in monotonic seconds."""
        for kind, outcomes in self._usual.take(at):
            first, spent = outcomes[0], spent_by(outcomes)
            key = kind.name + _TALLIES[first.reason]
            tally, spending = self._batch(first).cells.sums(key, first.arm or "", first.ended_at)
            add_up(outcomes, spent, tally)
            spend_alike(outcomes, kind.name, spent, spending)
            if kind.form:
                self.counts.count_alike(outcomes, kind.form, kind.operation, kind.name)

    def _count(self, outcome: Outcome, judged: bool, name: str, batch: Batch, call: Call | None) -> None:
        """Count a call that has no others of its kind."""
        tally, spending = batch.cells.sums(name + _TALLIES[outcome.reason], outcome.arm or "", outcome.ended_at)
        count_call(outcome, Spent.by(outcome.attempts), judged, tally)
        spend(outcome, name, spending)
        if outcome.attempts and outcome.attempts[0].failure is not None:
            self._note_reason(batch, outcome)
        if call is not None:
            self.counts.count(outcome, call, name)

    def _examine(
        self, outcome: Outcome, call: Call, applied: Mapping[str, AppliedVersion], returned: ReturnedTools
    ) -> None:
        if outcome.reason not in _UNEXAMINED:
            outcome.shown = shown_by(outcome, call, applied, returned, self.chained)

    def _count_shown(self, outcome: Outcome, name: str, batch: Batch) -> None:
        """Count the behaviours that a call shows; few calls show any."""
        tally, _ = batch.cells.sums(name + _TALLIES[outcome.reason], outcome.arm or "", outcome.ended_at)
        for behaviour in outcome.shown:
            tally.behaviours[behaviour] = tally.behaviours.get(behaviour, 0) + 1
        self.counts.show(outcome)

    def _weigh(self, outcome: Outcome, judged: bool, batch: Batch) -> None:
        """Take a trial's call as evidence on its arm, and ask for a flush at once where the canary has failed it."""
        counts = batch.canary if outcome.arm == "canary" else batch.stable
        if outcome.censored or outcome.held:
            counts.uncounted += 1
            counts.left_out += outcome.held
            return
        if outcome.thresholds is not None and outcome.thresholds.has_turns:
            count_turn(outcome, counts)
        if outcome.origin:
            counts = _earlier_arm(batch, outcome, counts)
        if weigh(outcome, judged, counts, self._known):
            self.flush_requests.ask(outcome.agent)

    def _note_reason(self, batch: Batch, outcome: Outcome) -> None:
        """Count why the version's own attempt failed. Copies and plain models have no reasons of their own."""
        tried = outcome.attempts[0]
        if tried.failure in (None, "overtaken", "exhausted") or outcome.reason in ("shadow", "model"):
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


def _is_examined(outcome: Outcome, call: Call) -> bool:
    """Return whether a usual call may show a behaviour, or is one of a conversation that its provider keeps."""
    return outcome.attempts[0].end.is_notable or (call.format in _CHAINED and bool(continued_answer(call)))


def _earlier_arm(batch: Batch, outcome: Outcome, running: Arm) -> Arm:
    """The arm of the step in which the call's conversation began; the running step's is served all the same."""
    running.uncounted += 1
    stable, canary = batch.earlier.setdefault(outcome.origin, (Arm(), Arm()))
    return canary if outcome.arm == "canary" else stable
