"""The way of calls to the people who review them: chosen off the path, and only where texts are recorded.

A hash of the call decides on the sample, and the store takes each call once, so replicas need not agree.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from gateway.errors import StoreAway
from gateway.judging.agreement import PASSES_AT
from gateway.judging.verdict import JudgeVerdict
from gateway.logs import Log
from gateway.rollout.bookings import name_of_call
from gateway.rollout.call_id import nonce_in
from gateway.rollout.table import Table
from gateway.store.review_seam import ReviewBounds, WaitingReview
from gateway.store.seam import Store
from gateway.traces.codec import decode_all
from gateway.traces.record import CallRecord, key_of_nonce
from routing.agents import Agent, ReviewReason, ReviewRules

_ALL = 10_000  # basis points
_PAUSE_SECONDS = 0.5
_AWAY_SECONDS = 1.0
_MOST_WAITING = 2_000
_AT_ONCE = 100


class _Chosen(NamedTuple):
    """A call that is to wait. `review` is None where its record is still to be read."""

    agent: str
    key: str
    reason: ReviewReason
    call_id: str
    review: WaitingReview | None = None


class ReviewQueue:
    """The calls of one replica that are on their way. `dropped` counts those that there was no room for."""

    def __init__(self, store: Store, table: Table, log: Log, pause: float = _PAUSE_SECONDS) -> None:
        self._store = store
        self._table = table
        self._log = log
        self._pause = pause
        self._chosen: deque[_Chosen] = deque()
        self._writing = asyncio.Lock()
        self.dropped = 0
        self._reported = 0

    def note_recorded(self, records: Sequence[CallRecord]) -> None:
        """Take note of calls whose texts are recorded now."""
        for record in records:
            rules = self._rules(record.agent)
            if rules is None:
                continue
            for reason in _reasons(record, rules):
                self._choose(_Chosen(record.agent, record.key, reason, record.id, _review(record, reason)))

    def note_verdicts(self, verdicts: Sequence[JudgeVerdict]) -> None:
        """Take note of what a judge said of calls."""
        for each in verdicts:
            if not each.passed:
                self._choose_by_id(each.agent, each.call_id, "low_judge")
            self._choose_by_id(each.agent, each.call_id, "disagree")

    def note_score(self, agent: str, call_id: str) -> None:
        """Take note that a call's own client has scored it."""
        self._choose_by_id(agent, call_id, "disagree")

    async def write_for_ever(self) -> None:
        """Write what was chosen, until cancelled."""
        is_away = False
        while True:
            await asyncio.sleep(_AWAY_SECONDS if is_away else self._pause)
            try:
                await self.write()
            except StoreAway:
                if not is_away:
                    self._log.warning("reviews_not_queued", waiting=len(self._chosen))
                is_away = True
            else:
                is_away = False
                self.tell_of_drops()

    def tell_of_drops(self) -> None:
        """Log how many calls there was no room for since the last time."""
        if self.dropped > self._reported:
            self._log.warning("reviews_not_kept", dropped=self.dropped - self._reported)
            self._reported = self.dropped

    async def finish(self) -> None:
        """Write what is left; a store that is away gets nothing more."""
        try:
            await self.write()
        except StoreAway:
            self._log.warning("reviews_not_queued", waiting=len(self._chosen))

    async def write(self) -> None:
        """Write what was chosen until now. Raises StoreAway; then it waits for the next time."""
        async with self._writing:
            while self._chosen:
                chosen = [self._chosen[index] for index in range(min(_AT_ONCE, len(self._chosen)))]
                by_agent: defaultdict[str, list[_Chosen]] = defaultdict(list)
                for each in chosen:
                    by_agent[each.agent].append(each)
                for agent, same in by_agent.items():
                    await self._write(agent, same)
                for _ in chosen:
                    self._chosen.popleft()

    async def _write(self, agent: str, chosen: Sequence[_Chosen]) -> None:
        """Write the calls of one agent."""
        if (bounds := bounds_of(self._table, agent)) is None:
            return
        known = [each.review for each in chosen if each.review is not None]
        disputed = await self._find_disputes(agent, [each for each in chosen if each.reason == "disagree"])
        unread = {
            (each.key, each.reason): each.reason
            for each in chosen
            if each.review is None and (each.reason != "disagree" or each.key in disputed)
        }
        if unread:
            known += await self._read(agent, list(unread))
        if known:
            await self._store.add_reviews(agent, known, bounds)

    async def _find_disputes(self, agent: str, chosen: Sequence[_Chosen]) -> frozenset[str]:
        """Return the calls of which the judge says the opposite of the client's score. Both are known by now, or the
        one that comes later will ask again.
        """
        if not chosen:
            return frozenset()
        verdicts = await self._store.find_verdicts(agent, [each.key for each in chosen])
        marks = await self._store.feedback_marks(agent, [name_of_call(each.call_id) for each in chosen])
        return frozenset(
            each.key
            for each in chosen
            if each.key in verdicts
            and (score := _score(marks.get(name_of_call(each.call_id), ""))) is not None
            and (score >= PASSES_AT) != verdicts[each.key].passed
        )

    async def _read(self, agent: str, wanted: Sequence[tuple[str, ReviewReason]]) -> list[WaitingReview]:
        """Return calls of which only the ids were known, as far as their records and texts are kept."""
        records = decode_all(await self._store.find_calls(agent, [key for key, _ in wanted]))
        recorded = await self._store.find_contents(agent, [record.key for record in records])
        by_key = {record.key: record for record in records if record.key in recorded}
        return [_review(by_key[key], reason) for key, reason in wanted if key in by_key]

    def _choose_by_id(self, agent: str, call_id: str, reason: ReviewReason) -> None:
        """Let the call of that id wait for that reason, where the agent's rules want such calls."""
        rules, named = self._rules(agent), nonce_in(call_id)
        if rules is not None and named is not None and reason in rules.plus:
            self._choose(_Chosen(agent, key_of_nonce(named[1]), reason, call_id))

    def _choose(self, chosen: _Chosen) -> None:
        if len(self._chosen) >= _MOST_WAITING:
            self.dropped += 1
        else:
            self._chosen.append(chosen)

    def _rules(self, agent: str) -> ReviewRules | None:
        entry = self._table.entry(agent)
        return None if entry is None else entry.agent.review


def bounds_of(table: Table, agent: str) -> ReviewBounds | None:
    """Return the bounds of an agent's reviews: each ends with its texts. None where nothing is reviewed."""
    entry = table.entry(agent)
    found: Agent | None = None if entry is None else entry.agent
    if found is None or found.review is None or found.content is None:
        return None
    return ReviewBounds(round(found.content.retention))


def is_sampled(key: str, rules: ReviewRules) -> bool:
    """Return whether the call of that key is one of the sample."""
    drawn = int.from_bytes(blake2b(key.encode(), digest_size=4, person=b"review").digest())
    return drawn * _ALL >> 32 < rules.sample


def _reasons(record: CallRecord, rules: ReviewRules) -> Iterable[ReviewReason]:
    if is_sampled(record.key, rules):
        yield "sample"
    if record.end == "escalated" and "escalated" in rules.plus:
        yield "escalated"


def _review(record: CallRecord, reason: ReviewReason) -> WaitingReview:
    return WaitingReview(
        record.key, record.id, record.version, record.arm or "", record.caller, record.conversation, (reason,),
        record.ended_at,
    )  # fmt: skip


def _score(mark: str) -> float | None:
    """Return the score that a client gave; None without one, and for a person's label."""
    try:
        return float(mark)
    except ValueError:
        return None
