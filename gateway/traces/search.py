"""Looks through the latest calls of some agents, newest first, for calls and conversations that are wanted."""

import re
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from operator import attrgetter

from gateway.store.trace_seam import NOTABLE, STREAMS, CallEntry, CallPlace, StreamCursor
from gateway.traces.codec import Summary, decode_all, summary_in, summary_of
from gateway.traces.reader import TraceReader
from gateway.traces.record import CallRecord

MOST_ON_A_PAGE = 100
_MOST_SEEN = 4_000  # calls that are looked through for one page; `next` goes on behind them
_ENTRIES_AT_ONCE = 600  # of all agents together
_LEAST_OF_STREAM = 3
_READ_ON = 200  # of a stream that has come to its end
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9]{1,15})-([01])-(.{1,200})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CallFilter:
    """The calls that are wanted: None and '' stand for any. `since` in Unix seconds."""

    version: str = ""
    unanswered: bool | None = None
    min_nano_usd: int = 0
    since: float = 0.0

    @property
    def streams(self) -> Sequence[int]:
        """Return the streams in which such calls are: whatever had no answer is notable."""
        return NOTABLE if self.unanswered else STREAMS

    def takes(self, call: Summary) -> bool:
        """Return whether the call is of the version, and answered or not, as wanted."""
        return self.version in ("", call.version) and self.unanswered in (None, call.unanswered)


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of calls or conversations. `next` is where the next one begins, None where nothing is left."""

    found: tuple[tuple[CallRecord, ...], ...]
    next: str | None


async def find_calls(
    reader: TraceReader, agents: Sequence[str], wanted: CallFilter, count: int, before: str
) -> FoundPage:
    """Return the latest calls that are wanted, each by itself. Raises StoreAway."""
    found: list[CallEntry] = []
    last, seen = None, 0
    async for entry in _newest(reader, agents, wanted, place_of(before)):
        seen, last = seen + 1, entry.place
        call = summary_in(entry.summary)
        if wanted.takes(call) and call.cost_nano_usd >= wanted.min_nano_usd:
            found.append(entry)
        if len(found) >= count or seen >= _MOST_SEEN:
            break
    else:
        last = None
    records = [await reader.store.find_calls(entry.place.agent, [entry.key]) for entry in found]
    return FoundPage(tuple((decode_all(each)[0],) for each in records if each), _cursor(last))


async def find_conversations(
    reader: TraceReader, agents: Sequence[str], wanted: CallFilter, count: int, before: str
) -> FoundPage:
    """Return the conversations of the latest calls that are wanted, each once for each agent. Raises StoreAway."""
    found: list[tuple[CallRecord, ...]] = []
    last, seen, latest = None, 0, dict[tuple[str, str], str]()
    async for entry in _newest(reader, agents, wanted, place_of(before)):
        seen, last, thread = seen + 1, entry.place, (entry.place.agent, entry.thread)
        # A conversation stands where its latest wanted call does: perhaps on the page before.
        if wanted.takes(summary_in(entry.summary)) and latest.get(thread, entry.key) == entry.key:
            calls = await reader.in_order_of_ends(*thread)
            latest[thread] = next((call.key for call in reversed(calls) if wanted.takes(summary_of(call))), "")
            if latest[thread] == entry.key and sum(call.cost_nano_usd for call in calls) >= wanted.min_nano_usd:
                found.append(tuple(sorted(calls, key=attrgetter("began_at"))))
        if len(found) >= count or seen >= _MOST_SEEN:
            break
    else:
        last = None
    return FoundPage(tuple(found), _cursor(last))


async def _newest(
    reader: TraceReader, agents: Sequence[str], wanted: CallFilter, before: CallPlace | None
) -> AsyncIterator[CallEntry]:
    """Yield calls of these agents, newest first, as far back and from the streams that may have what is wanted.

    A stream is read on where it has run out.
    """
    if before is None:
        await reader.catch_up()
    # Of equal times the greater stream and agent come first, as `CallPlace` has it.
    streams = sorted(((stream, agent) for agent in agents for stream in wanted.streams), reverse=True)
    cursors = [StreamCursor(agent, stream, before) for stream, agent in streams]
    count, oldest = max(_LEAST_OF_STREAM, _ENTRIES_AT_ONCE // max(len(cursors), 1)), wanted.since * 1_000
    waiting = [_StreamPage(page, len(page) >= count - 1) for page in await reader.store.latest_calls(cursors, count)]
    heap = [(each.newest, index) for index, each in enumerate(waiting) if each.entries]
    heapify(heap)
    while heap:
        _, index = heap[0]
        entry = waiting[index].entries.popleft()
        if entry.place.at_ms < oldest:
            return
        yield entry
        if not waiting[index].entries and waiting[index].has_more:
            place = entry.place
            (page,) = await reader.store.latest_calls([StreamCursor(place.agent, place.stream, place)], _READ_ON)
            waiting[index] = _StreamPage(page, len(page) >= _READ_ON - 1)
        if waiting[index].entries:
            heapreplace(heap, (waiting[index].newest, index))
        else:
            heappop(heap)


class _StreamPage:
    """The entries of one stream that were read and not yet looked at."""

    __slots__ = ("entries", "has_more")

    def __init__(self, entries: Iterable[CallEntry], has_more: bool) -> None:
        self.entries = deque(entries)
        self.has_more = has_more

    @property
    def newest(self) -> tuple[int, int]:
        """Return what the newest entry is sorted by: the latest first."""
        place = self.entries[0].place
        return -place.at_ms, -place.number


def place_of(cursor: str) -> CallPlace | None:
    """Return the place that a page's `next` names, None for what is none."""
    found = _CURSOR.fullmatch(cursor)
    return CallPlace(int(found[1]), int(found[2]), int(found[3]), found[4]) if found else None


def _cursor(place: CallPlace | None) -> str | None:
    return None if place is None else f"{place.at_ms}-{place.number}-{place.stream}-{place.agent}"
