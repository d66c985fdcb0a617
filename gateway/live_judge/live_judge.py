"""The judge of one replica: takes recorded calls, grades a sample of them, and books the verdicts as evidence.

Nothing of it is awaited by a call. What waits is bounded; whatever fails costs a verdict and nothing else. A call is
claimed in the store before it is graded, so that no two replicas grade one, nor one replica twice.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from gateway.auth import OPEN
from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.contents.writer import ContentWriter
from gateway.errors import StoreAway
from gateway.judging.question import Ungraded
from gateway.judging.rubric import short_digest
from gateway.judging.verdict import JudgeVerdict
from gateway.judging.view import JudgeView
from gateway.limits.limits import Limits
from gateway.live_judge.asking import (
    BatchSpent,
    JudgeCost,
    JudgeFailed,
    JudgePaused,
    JudgeQuestion,
    ask_judge_model,
    day_of,
)
from gateway.live_judge.case_text import case_texts
from gateway.live_judge.sampling import is_sampled, shares_of
from gateway.live_judge.words import JudgeHere, acts, judge_view
from gateway.logs import Log
from gateway.rollout import call_id as callid
from gateway.rollout.alerts import Alert
from gateway.rollout.call_id import Booking
from gateway.rollout.parties import party_named
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.table import Entry, Table
from gateway.runtime import Runtime
from gateway.store.seam import Store
from gateway.store.verdict_seam import CLAIM_SECONDS, JudgeSums
from gateway.telemetry.call_counts import JudgeDrop
from gateway.timings import USUAL, Timings
from gateway.traces.record import CallRecord
from routing.agents import JudgeRules

_WORKERS = 2  # questions under way at the same time
_MOST_WAITING = 200
_MOST_CHARACTERS = 8 << 20
_LOOK_SECONDS = 2.0
_MOST_FAILURES = 3  # in a row, before anybody is told

Listener = Callable[[Sequence[JudgeVerdict]], None]
Ending = Literal["judged", "undecided", "taken", "paused", "spent", "failed", "store_away"]


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """A recorded call, and where it was booked."""

    record: CallRecord
    content: CallContent
    booking: Booking
    size: int


@dataclass(frozen=True, slots=True)
class CaseEnd:
    """End of a case: what became of it, and why it was not graded. `nano_usd` is what it cost."""

    ending: Ending
    why: str = ""
    passed: bool = False
    nano_usd: int = 0


@dataclass(slots=True)
class _State:
    """Knowledge of this replica about one agent's judge. `until` ends a rest, in monotonic seconds."""

    judge: str
    failures: int = 0
    until: float = 0.0
    trouble: str = ""
    day: str = ""
    sums: JudgeSums | None = None
    sampled: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class LiveJudge:
    """The judge of one replica. `listeners` get every verdict once, off the path of calls.

    `runtime` says what the configuration is now, `limits` has those of agents; `contents` hands over what was
    recorded, and redacts.
    """

    def __init__(
        self,
        store: Store,
        table: Table,
        recorder: Recorder,
        contents: ContentWriter,
        clock: Clock,
        log: Log,
        timings: Timings = USUAL,
    ) -> None:
        self.store = store
        self._table = table
        self._recorder = recorder
        self._contents = contents
        self._clock = clock
        self._log = log
        self._timings = timings
        self._waiting: deque[JudgedCase] = deque()
        self._characters = 0
        self._arrived = asyncio.Event()
        self._states: dict[str, _State] = {}
        self.runtime: Callable[[], Runtime] | None = None
        self.limits: Limits | None = None
        self.listeners: list[Listener] = []
        contents.content_listeners.append(self.note)

    def note(self, record: CallRecord, content: CallContent) -> None:
        """Take a recorded call if it is in the sample; a full queue drops it. Never waits."""
        entry = self._table.entry(record.agent)
        if entry is None or entry.agent.judge is None or (booking := self._booking(record)) is None:
            return
        if not may_be_judged(record, content, booking) or not _is_in_sample(entry, entry.agent.judge, record, booking):
            return
        state = self._state(entry.agent.name, entry.agent.judge)
        state.sampled += 1
        size = sum(map(len, content.texts))
        if len(self._waiting) >= _MOST_WAITING or self._characters + size > _MOST_CHARACTERS:
            self._drop(record.agent, state, "queue_full")
            return
        self._characters += size
        self._waiting.append(JudgedCase(record, content, booking, size))
        self._arrived.set()

    async def run(self) -> None:
        """Grade what waits, and read what the store has of each judge, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_for_ever())
            for _ in range(_WORKERS):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        """Grade what waits, one call after the other, for ever."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            case = self._waiting.popleft()
            self._characters -= case.size
            entry = self._table.entry(case.record.agent)
            if entry is None or entry.agent.judge is None:
                continue
            state = self._state(entry.agent.name, entry.agent.judge)
            if self._clock.monotonic() < state.until:
                self._drop(entry.agent.name, state, "failed" if state.failures else "paused")
                continue
            try:
                done = await self.judge(case, entry, entry.agent.judge)
            except StoreAway:
                done = CaseEnd("store_away")
            except Exception:  # a call that breaks the judge costs its own verdict, and no other's
                self._log.exception("bug", work="judge", agent=entry.agent.name)
                done = CaseEnd("failed")
            match done.ending:
                case "judged" | "undecided":
                    continue
                case why:
                    self._drop(entry.agent.name, state, why)

    async def judge(self, case: JudgedCase, entry: Entry, judge: JudgeRules, left: int | None = None) -> CaseEnd:
        """Grade one call, unless it is or was graded elsewhere. It costs at most `left` nano-dollars.

        Raises StoreAway.
        """
        agent, names = entry.agent.name, _claims(case, judge)
        if not await self.store.claim_verdict(agent, names, CLAIM_SECONDS):
            return CaseEnd("taken")
        state, cost = self._state(agent, judge), JudgeCost()
        conversation, answer = case_texts(case.content)
        question = JudgeQuestion(agent, judge, conversation, answer, self._timings.judge_answer, left, self.limits)
        try:
            found = await ask_judge_model(question, self._runtime(), self.store, self._clock.unix(), cost)
        except Ungraded:
            self._be_well(state)
            version, rollout = case.record.version, case.booking.rollout
            self._recorder.counts.judge(agent, version, "undecided")
            await self.store.keep_undecided(agent, case.record.key, judge.digest, version, rollout)
            return CaseEnd("undecided", nano_usd=cost.nano_usd)
        except BatchSpent as spent:
            await self._give_up(agent, names)
            return CaseEnd("spent", str(spent), nano_usd=cost.nano_usd)
        except JudgePaused as paused:
            self._rest(agent, state, str(paused), self._timings.judge_pause)
            await self._give_up(agent, names)
            return CaseEnd("paused", str(paused), nano_usd=cost.nano_usd)
        except JudgeFailed as failed:
            state.failures += 1
            self._recorder.counts.judge(agent, case.record.version, "failed")
            rests = self._timings.judge_rests
            self._rest(agent, state, str(failed), rests[min(state.failures, len(rests)) - 1])
            await self._give_up(agent, names)
            return CaseEnd("failed", str(failed), nano_usd=cost.nano_usd)
        finally:
            self._recorder.pay_judge(agent, case.booking, case.record.version, judge.target.name, cost.nano_usd)
        self._be_well(state)
        await self._book(case, entry, judge, found, cost.nano_usd)
        return CaseEnd("judged", passed=found[1], nano_usd=cost.nano_usd)

    async def _look_for_ever(self) -> None:
        """Read what the store has of each judge, until cancelled."""
        while True:
            with suppress(StoreAway):
                await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Read each judge's sums, and let its guardrail act, or only warn. Raises StoreAway."""
        day = day_of(self._clock.unix())
        for agent in list(self._table):
            entry = self._table.entry(agent)
            if entry is None or (judge := entry.agent.judge) is None:
                continue
            state = self._state(agent, judge)
            rollout = entry.state.rollout if entry.state else 0
            state.sums = await self.store.judge_sums(agent, judge.digest, rollout, day)
            self._table.trust_judge(agent, judge.digest, is_trusted=acts(judge, state.sums.agreement))
            if state.trouble and state.day != day:  # the money is there again
                self._be_well(state)

    async def alerts(self) -> Iterable[Alert]:
        """Find the judges that grade nothing now. For the watch of alerts."""
        troubled = {agent: state for agent, state in self._states.items() if state.trouble and self.view(agent)}
        do = "Raise `judge.max_cost_per_day`, or see why the judge does not answer. Calls are not affected."
        return [
            Alert("judge_paused", agent, agent, f"the judge of {agent} grades no calls: {state.trouble}", do)
            for agent, state in troubled.items()
            if not state.failures or state.failures >= _MOST_FAILURES
        ]

    def view(self, agent: str) -> JudgeView | None:
        """Return the view of an agent's judge, as last read; None where it has none."""
        entry = self._table.entry(agent)
        if entry is None or (judge := entry.agent.judge) is None:
            return None
        state = self._state(agent, judge)
        return judge_view(judge, state.sums, JudgeHere(state.sampled, state.dropped, state.trouble))

    def case_of(self, record: CallRecord, content: CallContent) -> JudgedCase | None:
        """Return a recorded call as a judge may grade it; None for one that it may not."""
        if (booking := self._booking(record)) is None or not may_be_judged(record, content, booking):
            return None
        return JudgedCase(record, content, booking, 0)

    def _runtime(self) -> Runtime:
        if self.runtime is None:
            raise JudgePaused("the gateway has not started yet")
        return self.runtime()

    def _booking(self, record: CallRecord) -> Booking | None:
        if self.runtime is None:
            return None
        return callid.read(record.id, record.caller, self.runtime().fingerprint_key)

    async def _book(
        self, case: JudgedCase, entry: Entry, judge: JudgeRules, found: tuple[float, bool, str], nano_usd: int
    ) -> None:
        """Keep a verdict, and count it as evidence once."""
        record, booking = case.record, case.booking
        score, passed, reason = found
        verdict = JudgeVerdict(
            record.id, record.conversation, record.agent, record.version, booking.arm, score, passed,
            await self._redact(reason, case, entry), judge.digest, nano_usd, self._clock.unix(),
        )  # fmt: skip
        if not await self.store.keep_verdict(record.key, verdict, booking.rollout):
            return
        self._recorder.counts.judge(record.agent, record.version, "passed" if passed else "failing")
        now = self._table.entry(record.agent)
        if now is not None and now.state is not None and now.state.evidence == booking.evidence:
            party = party_named(record.caller, [*self._runtime().doorkeeper.callers, OPEN])
            self._recorder.grade(record.agent, booking, short_digest(judge.digest), score, party)
        for listen in self.listeners:
            listen([verdict])

    async def _redact(self, reason: str, case: JudgedCase, entry: Entry) -> str:
        """Return a judge's reason as a content may be kept: it quotes what it was shown."""
        said = CallContent((), ContentMessage("assistant", (ContentPart("text", reason),)))
        patterns = entry.agent.content.redact if entry.agent.content is not None else ()
        clean = await self._contents.redactor.redact(said, case.record.caller, patterns)
        return "".join(clean.texts)

    async def _give_up(self, agent: str, names: Sequence[str]) -> None:
        with suppress(StoreAway):  # then the claim lapses
            await self.store.release_claim(agent, names)

    def _state(self, agent: str, judge: JudgeRules) -> _State:
        state = self._states.get(agent)
        if state is None or state.judge != judge.digest:
            state = self._states[agent] = _State(judge.digest)
        return state

    def _drop(self, agent: str, state: _State, why: JudgeDrop) -> None:
        state.dropped[why] += 1
        self._recorder.counts.drop_judge(agent, why)

    def _rest(self, agent: str, state: _State, why: str, seconds: float) -> None:
        """Ask nothing for a while; why is logged once until the judge answers again."""
        state.until, state.day = self._clock.monotonic() + seconds, day_of(self._clock.unix())
        if state.trouble != why:
            state.trouble = why
            self._log.warning("judge_paused", agent=agent, why=why)

    def _be_well(self, state: _State) -> None:
        state.failures, state.until, state.trouble = 0, 0.0, ""


def may_be_judged(record: CallRecord, content: CallContent, booking: Booking) -> bool:
    """Return whether a version has answered the call wholly, chosen by the split."""
    is_own = any(each.is_answer and not (each.is_fallback or each.is_hedge) for each in record.attempts)
    is_answered = record.end == "answered" and content.answer is not None and content.complete
    return is_answered and is_own and record.reason == "split" and booking.answered and not booking.apart


def _is_in_sample(entry: Entry, judge: JudgeRules, record: CallRecord, booking: Booking) -> bool:
    """Return whether the call is one of those that the judge grades.

    During a trial only its own calls are: others would be dear, and no evidence.
    """
    if entry.on_trial != (booking.arm is not None):
        return False
    weight = entry.split.weight if entry.on_trial else 0
    if entry.on_trial and (entry.state is None or entry.state.evidence != booking.evidence):
        return False
    return is_sampled(record.key, booking.unit, booking.arm, shares_of(judge.sample, weight))


def _claims(case: JudgedCase, judge: JudgeRules) -> list[str]:
    """Return what is claimed: the call and, where it is evidence, its unit, which is graded once in a step."""
    booking = case.booking
    unit = [f"unit:{short_digest(judge.digest)}:{booking.evidence}:{booking.unit}"] if booking.arm is not None else []
    return [case.record.key, *unit]
