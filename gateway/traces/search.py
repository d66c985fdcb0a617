"""Looks through the latest calls of some agents, newest first, for calls and conversations that are wanted."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.store.trace_seam import CallEntry, CallPlace
from gateway.traces.codec import Summary, decode_all, summary_in, summary_of
from gateway.traces.reader import TraceReader
from gateway.traces.record import CallRecord

MOST_ON_A_PAGE = 100
_MOST_SEEN = 4_000  # calls that are looked through for one page; `next` goes on behind them
_ENTRIES_AT_ONCE = 600  # of all agents together
_LEAST_OF_AGENT = 3
_LATE_SECONDS = 1.0  # after its end a call has its place in the order of time
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9]{1,15})-([01])-(.{1,200})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CallFilter:
    """The calls that are wanted: None and '' stand for any. `since` in Unix seconds."""

    version: str = ""
    failed: bool | None = None
    min_nano_usd: int = 0
    since: float = 0.0

    def takes(self, call: Summary) -> bool:
        """Return whether the call is of the version, and failed or not, as wanted."""
        return self.version in ("", call.version) and self.failed in (None, call.failed)


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
    async for entry in _newest(reader, agents, wanted.since, place_of(before)):
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
    """Return the conversations of the latest calls that are wanted, each once. Raises StoreAway."""
    found: list[tuple[CallRecord, ...]] = []
    last, seen, place, decided = None, 0, place_of(before), set[str]()
    async for entry in _newest(reader, agents, wanted.since, place):
        seen, last = seen + 1, entry.place
        if entry.thread not in decided and wanted.takes(summary_in(entry.summary)):
            decided.add(entry.thread)
            calls = (await reader.records(agents, [entry.thread])).get(entry.thread, [])
            if _is_new(calls, wanted, place) and sum(call.cost_nano_usd for call in calls) >= wanted.min_nano_usd:
                found.append(tuple(calls))
        if len(found) >= count or seen >= _MOST_SEEN:
            break
    else:
        last = None
    return FoundPage(tuple(found), _cursor(last))


def _is_new(calls: Sequence[CallRecord], wanted: CallFilter, before: CallPlace | None) -> bool:
    """Return whether no page before has the conversation: it has no wanted call that is newer than its last place."""
    if not calls or before is None:
        return bool(calls)
    newest = max((call.ended_at for call in calls if wanted.takes(summary_of(call))), default=0.0)
    return newest <= before.at_ms / 1_000 + _LATE_SECONDS


async def _newest(
    reader: TraceReader, agents: Sequence[str], since: float, before: CallPlace | None
) -> AsyncIterator[CallEntry]:
    """Yield the calls of these agents, newest first, as far as `since`."""
    if before is None:
        await reader.catch_up()
    count, oldest = max(_LEAST_OF_AGENT, _ENTRIES_AT_ONCE // max(len(agents), 1)), since * 1_000
    while True:
        entries = await reader.store.latest_calls(agents, count, before)
        if not entries:
            return
        whole = _whole(entries, count)
        for entry in entries[:whole]:
            if entry.place.at_ms < oldest:
                return
            yield entry
        before = entries[whole - 1].place


def _whole(entries: Sequence[CallEntry], count: int) -> int:
    """Return how many of the entries are all that there are, down to the last of them.

    Behind the last entry of a stream that was read in part there may be others that are newer than the next ones here.
    """
    lasts: dict[tuple[str, int], list[CallPlace]] = {}
    for entry in entries:
        lasts.setdefault((entry.place.agent, entry.place.stream), []).append(entry.place)
    full = [places[-1] for places in lasts.values() if len(places) >= count - 1]
    floor = max(full, default=None)
    return len(entries) if floor is None else sum(entry.place >= floor for entry in entries)


def place_of(cursor: str) -> CallPlace | None:
    """Return the place that a page's `next` names, None for what is none."""
    found = _CURSOR.fullmatch(cursor)
    return CallPlace(int(found[1]), int(found[2]), int(found[3]), found[4]) if found else None


def _cursor(place: CallPlace | None) -> str | None:
    return None if place is None else f"{place.at_ms}-{place.number}-{place.stream}-{place.agent}"
