"""Labels of people as scores: each counts once, like a score of `POST /v1/feedback`, when it can be taken back no more.

One replica claims a label and counts it; a reply of the store that is lost changes nothing. A replica that dies between
the two loses the label as a score, and keeps it as a label.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import uniform
from typing import Final

from gateway.auth import OPEN
from gateway.calls import Caller
from gateway.errors import NotFound, StoreAway
from gateway.judging.agreement import PASSES_AT
from gateway.logs import Log
from gateway.rollout.bookings import UNANSWERED, find_booking, name_of_call, version_of, why_no_evidence
from gateway.rollout.parties import caller_party
from gateway.rollout.recorder import Recorder
from gateway.rollout.table import Table
from gateway.runtime import Runtime
from gateway.store.review_seam import LabelName, ReviewLabel
from gateway.store.seam import Store
from gateway.timings import USUAL, Timings

SCORES: Final[dict[LabelName, float]] = {"bad": 0.0, "good": 1.0}  # unsure is no score
COUNTED: Final = "counted"
_STEP_SECONDS = 0.5
_MOST_DUE = 10_000
_UNKNOWN = "the call's caller is no longer configured, or may not call the agent"
_SCORED = "the call had a score already; the first score counts"
_UNSURE = "unsure is no score"


@dataclass(frozen=True, slots=True)
class CountingParts:
    """The parts that counting needs; `runtime` has the callers and the key of now."""

    store: Store
    table: Table
    recorder: Recorder
    runtime: Callable[[], Runtime]
    log: Log
    timings: Timings = USUAL


class LabelCounter:
    """The labels that one replica counts."""

    def __init__(self, parts: CountingParts) -> None:
        self._parts = parts
        self._due = deque[tuple[float, str]](maxlen=_MOST_DUE)  # when labels count, on the loop's clock, and of whom
        self._counted: dict[tuple[str, str, str], str] = {}  # what became of labels that the store does not know yet
        self._counting = asyncio.Lock()
        self._uncompared = set[tuple[str, str, str]]()  # labels that are not in a judge's agreement yet

    def expect(self, agent: str, seconds: float) -> None:
        """Look for labels of the agent after so many seconds."""
        self._due.append((asyncio.get_running_loop().time() + seconds, agent))

    async def count_for_ever(self) -> None:
        """Count labels when it is time, until cancelled."""
        clock, between = asyncio.get_running_loop().time, self._parts.timings.review_look
        look_at = clock() + uniform(0, between)  # noqa: S311 - replicas look at different times
        while True:
            await asyncio.sleep(_STEP_SECONDS)
            due = set[str]()
            while self._due and self._due[0][0] <= clock():
                due.add(self._due.popleft()[1])
            if clock() >= look_at:
                due, look_at = due.union(self._reviewed()), clock() + between
            for agent in due:
                with suppress(StoreAway):  # the next look finds what is left
                    await self.count(agent)

    async def count(self, agent: str) -> None:
        """Count the labels of an agent that are due. Raises StoreAway; then they are due again."""
        async with self._counting:  # a label that two count at once would count twice
            while labels := await self._parts.store.claim_labels(agent):
                settled = dict[str, str]()
                for label in labels:
                    settled[label.review.key] = await self._settle(agent, label)
                await self._parts.store.settle_labels(agent, settled)
                for label in labels:
                    del self._counted[agent, label.review.key, label.lease]

    async def _settle(self, agent: str, label: ReviewLabel) -> str:
        """Count a label as a score, and for a judge's agreement; return what became of it. Raises StoreAway."""
        name = (agent, label.review.key, label.lease)
        if label.label not in SCORES:
            return self._counted.setdefault(name, _UNSURE)
        if name not in self._counted:
            self._counted[name] = await self._count(agent, label, SCORES[label.label])
            self._uncompared.add(name)
        if name in self._uncompared:
            await self._compare(agent, label, name)
        return self._counted[name]

    async def _compare(self, agent: str, label: ReviewLabel, name: tuple[str, str, str]) -> None:
        """Count a label in the judge's agreement with people, where a judge has judged its call. Raises StoreAway.

        At most once: nobody knows whether a question whose reply was lost has counted.
        """
        verdict = (await self._parts.store.find_verdicts(agent, [label.review.key])).get(label.review.key)
        self._uncompared.discard(name)
        if verdict is not None:
            passes = SCORES[label.label] >= PASSES_AT
            await self._parts.store.count_label(agent, verdict.judge, judge_passes=verdict.passed, person_passes=passes)

    async def _count(self, agent: str, label: ReviewLabel, score: float) -> str:
        """Count a label as a score; return what became of it. Raises StoreAway before it has counted."""
        review = label.review
        runtime = self._parts.runtime()
        caller = _caller_of(review.caller, runtime)
        found = None if caller is None else find_booking(
            self._parts.table, runtime.fingerprint_key, review.call_id, caller
        )  # fmt: skip
        if caller is None or found is None:
            return _UNKNOWN
        entry, booking = found
        if not booking.answered:
            return UNANSWERED
        try:
            version = version_of(entry, booking)
        except NotFound as error:
            return error.message
        if not await self._parts.store.first_feedback(
            agent, name_of_call(review.call_id), f"person {label.lease}", may_repeat=True
        ):
            return _SCORED
        recorder = self._parts.recorder
        recorder.score(entry, booking, version, score, caller_party(caller))
        if recorder.tracing is not None:
            recorder.tracing.evaluate(agent, review.call_id, score, label.comment)
        self._parts.log.info(
            "feedback", id=review.call_id, agent=agent, version=version, score=score, source="human", by=label.by
        )
        return why_no_evidence(entry, booking) or COUNTED

    def _reviewed(self) -> Iterable[str]:
        entries = filter(None, map(self._parts.table.entry, self._parts.table))
        return [entry.agent.name for entry in entries if entry.agent.review is not None]


def _caller_of(name: str, runtime: Runtime) -> Caller | None:
    """Return the caller of that name, as it is configured now."""
    if runtime.doorkeeper.open:
        return OPEN if name == OPEN.name else None
    return next((caller for caller in runtime.doorkeeper.callers if caller.name == name), None)
