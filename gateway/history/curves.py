"""Build the views of counts over time from the cells that the store keeps."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.history.sums import CellSums, quantiles_of
from gateway.history.view import (
    DecisionView,
    EvidencePointView,
    GuardrailPointView,
    HistoryView,
    PointView,
    RecentView,
    SeriesView,
)
from gateway.store.cells import APART, SHADOW
from gateway.store.intervals import LENGTHS, MANY_INTERVALS, OTHER_SERIES, Cell, EvidencePoint, Intervals, RecentCells
from gateway.views import timestamp

MOST_POINTS = 1_500  # of a series
_USUAL_POINTS = 400
_STEPS = (10, 30, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 24 * 3600)


def choose_step(span: float, age: float, wanted: int | None = None) -> int:
    """Return the seconds from one point to the next, for a time of `span` seconds that began `age` seconds ago.

    It is at least what is wanted, and more where only longer intervals are kept, or the points would be too many.
    """
    shortest = next((seconds for seconds, kept in LENGTHS.items() if age <= kept), max(LENGTHS))
    least = max(wanted or 0, shortest, span / (MOST_POINTS if wanted else _USUAL_POINTS))
    return next((step for step in _STEPS if step >= least and step % shortest == 0), _STEPS[-1])


def interval_of(step: int, age: float) -> int:
    """Return the length of the longest intervals that are kept for so many seconds, and make up such steps."""
    return max(seconds for seconds, kept in LENGTHS.items() if step % seconds == 0 and (age <= kept or seconds == 3600))


async def build_history(agent: str, read: Intervals, step: int, since: float, until: float) -> HistoryView:
    """Return the view of what was read; calls go on meanwhile, however much that is."""
    if len(read.cells) + len(read.points) <= MANY_INTERVALS:
        return history_view(agent, read, step, since, until)
    return await asyncio.to_thread(history_view, agent, read, step, since, until)


def history_view(agent: str, read: Intervals, step: int, since: float, until: float) -> HistoryView:
    """Return the view of what was read, in points of `step` seconds."""
    first, last = int(since // step), int(until // step)
    by_series: dict[str, dict[int, list[Cell]]] = {}
    for number, cells in read.cells.items():
        at = number * read.seconds // step
        for cell in cells:
            by_series.setdefault(cell.series, {}).setdefault(at, []).append(cell)
    return HistoryView(
        agent=agent,
        now=timestamp(read.now),
        step_seconds=step,
        since=timestamp(first * step),
        until=timestamp((last + 1) * step),
        series=tuple(_series(name, by_series[name], step) for name in sorted(by_series)),
        evidence=tuple(_evidence(read.points, step)),
        decisions=tuple(map(_decision, reversed(read.events))),
    )


def recent_views(recent: RecentCells) -> dict[str, dict[str, RecentView]]:
    """Return the last minute, 5 minutes and hour of each version's split-assigned calls."""
    by_version: dict[str, tuple[list[Cell], ...]] = {}
    for place, cells in enumerate((recent.minute, recent.minutes_before, recent.hour_before)):
        for cell in cells:
            key = cell.series.partition("|")[0]
            by_version.setdefault(key, ([], [], []))[place].append(cell)
    return {version: _recent(*parts) for version, parts in by_version.items() if "/" not in version}


def _recent(minute: Sequence[Cell], before: Sequence[Cell], hour: Sequence[Cell]) -> dict[str, RecentView]:
    """Return the views of the three times, each of which is a part of the next."""
    last = CellSums(minute)
    five = CellSums([last, *before])
    return {"1m": last.recent(), "5m": five.recent(), "1h": CellSums([five, *hour]).recent()}


def _series(name: str, points: Mapping[int, Sequence[Cell]], step: int) -> SeriesView:
    version, arm = version_and_arm(name)
    return SeriesView(version, arm, tuple(_point(at * step, points[at]) for at in sorted(points)))


def version_and_arm(series: str) -> tuple[str, str]:
    """Return what a series is called in a view."""
    if series == OTHER_SERIES:
        return "other", ""
    key, _, arm = series.partition("|")
    for suffix in (APART, SHADOW):
        if key.endswith(suffix):
            return key.removesuffix(suffix), suffix[1:]
    return key, arm


def _point(at: float, cells: Sequence[Cell]) -> PointView:
    sums = CellSums(cells)
    return PointView(
        at=timestamp(at),
        calls=sums.sum_of("requests"),
        errors=sums.sum_of("errors"),
        errors_by_kind=sums.failures,
        error_rate=sums.error_rate,
        rejected=sums.sum_of("rejected"),
        fallbacks=sums.sum_of("fallbacks"),
        escalations=sums.sum_of("escalations"),
        latency_seconds=quantiles_of(sums.latency),
        ttft_seconds=quantiles_of(sums.ttft),
        tokens=sums.tokens,
        cost_usd=sums.cost_usd,
        cost_per_call_usd=sums.cost_per_call_usd,
        unpriced=sums.sum_of("unpriced"),
        quality=sums.quality,
        units=sums.sum_of("units"),
        behaviours=sums.behaviours,
    )


def _evidence(points: Iterable[EvidencePoint], step: int) -> Iterator[EvidencePointView]:
    """Return the last point of each step."""
    by_step = {point.minute * 60 // step: point for point in points}
    for point in by_step.values():
        rows = (GuardrailPointView(text, *values) for text, values in point.guardrails.items())
        yield EvidencePointView(timestamp(point.minute * 60), tuple(rows))


def _decision(event: Mapping[str, Any]) -> DecisionView:
    return DecisionView(timestamp(event["at"]), event["actor"], event["action"], event["reason"], None)
