"""The store's part for counts over time: the intervals that history.lua keeps, read back."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import orjson

from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import EVIDENCE, INTERVALS
from policies.evidence.tally import GAMMA, Tally

SUMS = (
    *("requests", "errors", "unjudged", "rejected", "fallbacks", "escalations", "input_tokens", "cached_tokens"),
    *("output_tokens", "reasoning_tokens", "cost_nano_usd", "unpriced", "scores", "badness", "units"),
    "unanswered",
)  # in the order of history.lua
LENGTHS: Mapping[int, int] = {
    10: 3600, 60: 26 * 3600, 300: 26 * 3600, 3600: 31 * 24 * 3600,
}  # of an interval and of all that are kept, in seconds  # fmt: skip
SHORTEST = min(LENGTHS)
COARSE = 4  # of a tally's buckets are one here
COARSE_GAMMA = GAMMA**COARSE  # ratio of neighbouring bucket bounds
_DIGITS, _FIRST_DIGIT, _FIRST_LEAD = 52, 40, 93  # of a histogram's text, as in history.lua
_LONG = {125: 3, 126: 6}
_COUNTS = bytes(max(0, byte - _FIRST_DIGIT) for byte in range(256))
MOST_INTERVALS = 3_000  # of one read
_MANY_CHARACTERS = 20_000  # of evidence: more is read in a thread, too
MANY_INTERVALS = 100  # more than these are read in a thread: 3,000 take 50 ms, in which calls would stand still
MOST_EVENTS = 50  # of the audit trail; one with its evidence may take some ten kilobytes
OTHER_SERIES = "/other|"


class Histogram(NamedTuple):
    """Counts of the buckets from `first` on; bucket i holds COARSE_GAMMA^(i-1) < seconds <= COARSE_GAMMA^i."""

    first: int
    counts: Sequence[int]


EMPTY = Histogram(0, ())


class Cell(NamedTuple):
    """The sums of one series (`<tally key>|<arm>`) in one interval.

    `sums` are in the order of `SUMS`, without the zeros at their end; `failures` are errors by kind, `behaviours`
    the calls that show each.
    """

    series: str
    sums: Sequence[int]
    latency: Histogram
    ttft: Histogram
    failures: Mapping[str, int]
    behaviours: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class RecentCells:
    """The cells of the last minute, of the 4 minutes before it, and of the 55 minutes before these."""

    minute: Sequence[Cell] = ()
    minutes_before: Sequence[Cell] = ()
    hour_before: Sequence[Cell] = ()


class GuardrailValues(NamedTuple):
    """The evidence against a guardrail, both arms' values and the limit, in the metric's own unit."""

    e_value: float
    stable: float | None
    canary: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """The evidence against an agent's guardrails, by their texts; `minute` is Unix seconds over 60."""

    minute: int
    guardrails: Mapping[str, GuardrailValues]


@dataclass(frozen=True, slots=True)
class Intervals:
    """An agent's cells by the number of their interval (Unix seconds over its length), the oldest first.

    `events` are the latest audit events of the time, newest first, `points` its evidence, the oldest first. `now` is
    the store's clock in Unix seconds.
    """

    now: float
    seconds: int
    cells: Mapping[int, Sequence[Cell]] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    points: Sequence[EvidencePoint] = ()


class IntervalStore:
    """The operations of `RedisStore` on counts over time."""

    async def history(self: Reaching, agent: str, since: float, until: float, seconds: int) -> Intervals:
        if seconds not in LENGTHS:
            raise ValueError(f"no intervals of {seconds} s are kept; known: {', '.join(map(str, LENGTHS))}")
        last = int(until // seconds)
        first = max(int(since // seconds), last - MOST_INTERVALS + 1)
        keys = (*history_keys(agent), key_of(agent, "audit"), _points_key(agent))
        async with self._reach():
            reply = await self._run(INTERVALS, keys, (seconds, first, last, MOST_EVENTS))
        _, _, ended, _, hours, _ = reply
        is_long = len(ended) > 2 * MANY_INTERVALS or sum(map(len, hours)) > _MANY_CHARACTERS
        wanted = (seconds, first, last)
        return await asyncio.to_thread(_intervals, reply, wanted) if is_long else _intervals(reply, wanted)

    async def note_evidence(self: Reaching, agent: str, guardrails: Mapping[str, GuardrailValues]) -> None:
        texts, values = orjson.dumps(list(guardrails)), orjson.dumps([tuple(values) for values in guardrails.values()])
        async with self._reach():
            await self._run(EVIDENCE, (_points_key(agent),), (texts, values))


def _intervals(reply: Sequence[Any], wanted: tuple[int, int, int]) -> Intervals:
    """Return what intervals.lua has found: intervals of so many seconds, from one number to another."""
    clock, running, ended, events, hours, texts = reply
    seconds, first, last = wanted
    cells = _ended(ended)
    number, open_cells = read_open(running)
    if open_cells and first <= (number := number * SHORTEST // seconds) <= last:
        cells[number] = [*cells.pop(number, ()), *open_cells]
    begin, end = first * seconds, (last + 1) * seconds  # a minute that has begun counts, as a decision may end it
    points = [point for point in _points(hours, texts) if point.minute * 60 + 59 >= begin and point.minute * 60 < end]
    return Intervals(float(clock), seconds, cells, [orjson.loads(fields[1]) for _, fields in events], points)


def _ended(flat: Sequence[str]) -> dict[int, Sequence[Cell]]:
    """The cells of intervals that have ended, by their number."""
    return {int(number): read_cells(text) for number, text in zip(flat[::2], flat[1::2], strict=True)}


def _points_key(agent: str) -> str:
    return key_of(agent, "history", "evidence")


def _points(hours: Iterable[str], texts: Iterable[str]) -> Iterator[EvidencePoint]:
    """The points of evidence.lua; one whose guardrails are not told any more is left out."""
    known: dict[str, list[str]] = {}
    for held in texts:
        number, _, names = held.partition(" ")
        known[number] = orjson.loads(names)
    for line in (line for hour in hours for line in hour.split("\n")):
        minute, number, values = line.split(" ", 2)
        if number in known:
            rows = (GuardrailValues(*row[:4]) for row in orjson.loads(values))
            yield EvidencePoint(int(minute), dict(zip(known[number], rows, strict=False)))


def history_keys(agent: str) -> tuple[str, str]:
    """The keys of history.lua: the running interval, and those that have ended."""
    return key_of(agent, "history", "open"), key_of(agent, "history", "ended")


def read_cells(text: str) -> list[Cell]:
    """The cells of one interval."""
    return [
        Cell(series, sums, read_histogram(latency), read_histogram(ttft), *counts[:2])
        for series, sums, latency, ttft, *counts in orjson.loads(text)
    ]


def read_histogram(text: str) -> Histogram:
    """The histogram that history.lua has written."""
    first, _, digits = text.partition(" ")
    if not digits:
        return EMPTY
    data = digits.encode()
    counts = data.translate(_COUNTS) if max(data) < _FIRST_LEAD else list(_long_counts(data))
    return Histogram(int(first), counts)


def _long_counts(data: bytes) -> Iterator[int]:
    """Counts some of which are longer than one character."""
    digits = iter(data)
    for lead in digits:
        if lead < _FIRST_LEAD:
            yield lead - _FIRST_DIGIT
            continue
        count = 0 if lead in _LONG else lead - _FIRST_LEAD + 1
        for digit in islice(digits, _LONG.get(lead, 1)):
            count = count * _DIGITS + digit - _FIRST_DIGIT
        yield count


def read_recent(clock: float, running: Sequence[str], *ended: Iterable[str]) -> RecentCells:
    """The cells of recent.lua's reply; the running interval is in the part of the time that it belongs to."""
    parts = [[cell for text in texts for cell in read_cells(text)] for texts in ended]
    number, cells = read_open(running)
    age = int(clock // SHORTEST) - number
    for part, most in zip(parts, (6, 30, 360), strict=True):
        if age < most:
            part += cells
            break
    return RecentCells(*parts)


def read_open(flat: Sequence[str]) -> tuple[int, list[Cell]]:
    """The number of the running interval of 10 seconds, and its cells."""
    number, sums = 0, dict[str, list[tuple[str, int]]]()
    for name, amount in zip(flat[::2], flat[1::2], strict=True):
        series, _, field_name = name.rpartition("|")
        if series:
            sums.setdefault(series, []).append((field_name, int(amount)))
        elif name == "interval":
            number = int(amount)
    return number, [_cell(series, Tally.from_fields(fields)) for series, fields in sums.items()]


def _cell(series: str, tally: Tally) -> Cell:
    sums = [getattr(tally, name) for name in SUMS]
    return Cell(series, sums, _coarse(tally.latency), _coarse(tally.ttft), tally.failures, tally.behaviours)


def _coarse(histogram: Mapping[int, int]) -> Histogram:
    """The tally's histogram with fewer buckets."""
    if not histogram:
        return EMPTY
    buckets: dict[int, int] = {}
    for index, count in histogram.items():
        coarse = -(-index // COARSE)
        buckets[coarse] = buckets.get(coarse, 0) + count
    first = min(buckets)
    return Histogram(first, [buckets.get(index, 0) for index in range(first, max(buckets) + 1)])
