"""The way of calls to the people who review them: chosen off the path, and only where texts are recorded.

A hash of the call decides on the sample, and the store takes each call once, so replicas need not agree.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from gateway.errors import StoreAway
from gateway.logs import Log
from gateway.rollout.bookings import name_of_call
from gateway.rollout.call_id import nonce_in
from gateway.rollout.table import Table
from gateway.store.review_seam import ReviewBounds, WaitingReview
from gateway.store.seam import Store
from gateway.traces.codec import decode_all
from gateway.traces.record import CallRecord, key_of_nonce
from routing.agents import Agent, ReviewReason, ReviewRules

GOOD_ENOUGH = 0.5  # a score from here on says that the answer was good
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
    review: WaitingReview | None = None


class ReviewQueue:
    """The calls of one replica that are on their way. `dropped` counts those that there was no room for."""

    def __init__(self, store: Store, table: Table, log: Log, pause: float = _PAUSE_SECONDS) -> None:
        self._store = store
        self._table = table
        self._log = log
        self._pause = pause
        self._chosen: deque[_Chosen] = deque()
        self.dropped = 0

    def note_recorded(self, records: Sequence[CallRecord]) -> None:
        """Take note of calls whose texts are recorded now."""
        for record in records:
            rules = self._rules(record.agent)
            if rules is None:
                continue
            for reason in _reasons(record, rules):
                self._choose(_Chosen(record.agent, record.key, reason, _review(record, reason)))

    def choose(self, agent: str, call_id: str, reason: ReviewReason) -> None:
        """Let the call of that id wait for that reason, where the agent's rules want such calls."""
        rules, named = self._rules(agent), nonce_in(call_id)
        if rules is not None and named is not None and reason in rules.plus:
            self._choose(_Chosen(agent, key_of_nonce(named[1]), reason))

    def wants(self, agent: str, *reasons: ReviewReason) -> bool:
        """Return whether calls of the agent wait for one of these reasons."""
        rules = self._rules(agent)
        return rules is not None and any(reason in rules.plus for reason in reasons)

    async def score_of(self, agent: str, call_id: str) -> float | None:
        """Return the score that the call's own client gave; None without one. Raises StoreAway."""
        name = name_of_call(call_id)
        mark = (await self._store.feedback_marks(agent, [name])).get(name, "")
        try:
            return float(mark)
        except ValueError:  # a person's, who has reviewed it
            return None

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

    async def write(self) -> None:
        """Write what was chosen until now. Raises StoreAway; then it waits for the next time."""
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
        unread = {each.key: each.reason for each in chosen if each.review is None}
        if unread:
            known += await self._read(agent, unread)
        if known:
            await self._store.add_reviews(agent, known, bounds)

    async def _read(self, agent: str, reasons: dict[str, ReviewReason]) -> list[WaitingReview]:
        """Return calls of which only the ids were known, as far as their records and texts are kept."""
        records = decode_all(await self._store.find_calls(agent, list(reasons)))
        recorded = await self._store.find_contents(agent, [record.key for record in records])
        return [_review(record, reasons[record.key]) for record in records if record.key in recorded]

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
