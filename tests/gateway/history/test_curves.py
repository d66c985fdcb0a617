"""The views of counts over time: points, the last minutes, and how far apart points are."""

import asyncio

import pytest

from gateway.history.curves import build_history, choose_step, history_view, interval_of, recent_views, version_and_arm
from gateway.history.sums import CellSums, add_histograms, quantiles
from gateway.history.view import PointView
from gateway.store.intervals import (
    EMPTY,
    SUMS,
    Cell,
    EvidencePoint,
    GuardrailValues,
    Histogram,
    Intervals,
    RecentCells,
)

NOW = 1_900_000_800.0


def cell(series: str = "v1|", **sums: int) -> Cell:
    """A cell with these sums, whose calls took about a second; errors are timeouts."""
    latency = Histogram(0, (sums.get("requests", 0),))
    failures = {"timeout": sums["errors"]} if "errors" in sums else {}
    return Cell(series, [sums.get(name, 0) for name in SUMS], latency, EMPTY, failures)


def points(*cells: Cell, step: int = 60) -> tuple[PointView, ...]:
    """The points of the only series, whose cells lie 60 seconds apart."""
    numbers = {int(NOW) // 60 + index: [each] for index, each in enumerate(cells)}
    (series,) = history_view("a", Intervals(NOW, 60, numbers), step, NOW, NOW + 600).series
    return series.points


def test_a_point_says_what_was_counted() -> None:
    """Rates are shares of the calls that say something of the version, costs those of calls whose cost is known."""
    calls = cell(
        requests=10, errors=2, unjudged=2, unpriced=5, cost_nano_usd=5_000_000, units=3, scores=2, badness=500_000,
        output_tokens=7,
    )  # fmt: skip
    (point,) = points(calls)
    assert (point.calls, point.errors, point.errors_by_kind) == (10, 2, {"timeout": 2})
    assert (point.error_rate, point.cost_usd, point.cost_per_call_usd) == (0.25, 0.005, 0.001)
    assert (point.quality, point.units, point.tokens.output, point.unpriced) == (0.75, 3, 7, 5)
    assert point.at == "2030-03-17T18:00:00.000Z"
    assert point.latency_seconds.p50 == pytest.approx(0.93, rel=0.05) and point.ttft_seconds.p50 is None


def test_nothing_is_said_where_nothing_is_known() -> None:
    """No call was judged, priced or scored."""
    (point,) = points(cell(requests=3, unjudged=3, unpriced=3))
    assert point.error_rate is point.cost_usd is point.cost_per_call_usd is point.quality is None


def test_intervals_are_added_to_a_step() -> None:
    """Where points are further apart than the intervals that were read; a step without calls has no point."""
    found = points(*(cell(requests=number) for number in (1, 2, 4, 8, 16, 32)), step=300)
    assert [point.calls for point in found] == [31, 32]
    assert [point.at[14:16] for point in found] == ["00", "05"]


def test_versions_and_arms_are_series_of_their_own() -> None:
    """Also calls apart from the split, copies, and what is too much to be told apart."""
    names = ("v1|stable", "v1|", "v2/apart|", "v2/shadow|", "/other|")
    assert list(map(version_and_arm, names)) == [
        ("v1", "stable"), ("v1", ""), ("v2", "apart"), ("v2", "shadow"), ("other", ""),
    ]  # fmt: skip


def test_decisions_are_marks_without_evidence() -> None:
    """The oldest first; the audit has the evidence."""
    event = {"at": NOW, "actor": "kim", "action": "pause", "reason": "why", "evidence": {"much": 1}}
    view = history_view("a", Intervals(NOW, 60, {}, [{**event, "at": NOW + 1}, event]), 60, NOW, NOW + 60)
    assert [decision.at[-5:] for decision in view.decisions] == [".000Z"] * 2
    assert [decision.at for decision in view.decisions] == sorted(decision.at for decision in view.decisions)
    assert view.decisions[0].evidence is None and view.decisions[0].action == "pause"


def test_each_recent_time_is_a_part_of_the_next() -> None:
    """Over all arms of the split; calls apart from it, and copies, are not in them."""
    recent = RecentCells(
        [cell("v1|stable", requests=1, rejected=1, unanswered=1), cell("v1/apart|", requests=100)],
        [cell("v1|", requests=2)],
        [cell("v1|stable", requests=4), cell("v2|canary", requests=8)],
    )
    views = recent_views(recent)
    assert {name: view.calls for name, view in views["v1"].items()} == {"1m": 1, "5m": 3, "1h": 7}
    assert {name: view.calls for name, view in views["v2"].items()} == {"1m": 0, "5m": 0, "1h": 8}
    assert set(views) == {"v1", "v2"} and views["v2"]["1m"].error_rate is None
    now = views["v1"]["1m"]
    assert (now.unanswered, now.rejected, now.unanswered_rate, now.failing_rate) == (1, 1, 1.0, 0.0)


def test_histograms_add_wherever_they_begin() -> None:
    """Bucket by bucket; an empty one changes nothing."""
    added = add_histograms([Histogram(-2, b"\1\0\2"), Histogram(1, [5]), EMPTY, Histogram(-1, (1,))])
    assert added == (-2, [1, 1, 2, 5]) and add_histograms([EMPTY]) is EMPTY
    assert CellSums([]).latency is EMPTY and quantiles(EMPTY, (0.5,)) == [None]


@pytest.mark.parametrize(
    ("span", "wanted", "step", "interval"),
    [
        (3600, None, 10, 10), (3600, 1, 10, 10), (3600, 45, 60, 60), (3600, 7200, 10800, 3600),
        (26 * 3600, None, 300, 300), (26 * 3600, 10, 300, 300), (6 * 3600, 60, 60, 60),
        (7 * 86400, None, 3600, 3600), (31 * 86400, None, 10800, 3600), (31 * 86400, 60, 3600, 3600),
        (60, 10**7, 86400, 3600),
    ],
)  # fmt: skip
def test_points_are_as_close_as_is_kept_and_useful(span: float, wanted: int | None, step: int, interval: int) -> None:
    """No more than some hundreds by default, and 1,500 at most."""
    assert choose_step(span, span, wanted) == step and interval_of(step, span) == interval


def test_the_last_evidence_of_a_step_is_its_point() -> None:
    """An e-value at one time; nothing is added up."""
    read = [
        EvidencePoint(int(NOW) // 60 + minute, {"g": GuardrailValues(minute, 0.1, 0.2, 0.3)}) for minute in range(7)
    ]
    view = history_view("a", Intervals(NOW, 60, points=read), 300, NOW, NOW + 600)
    assert [(point.at[14:16], point.guardrails[0].e_value) for point in view.evidence] == [("04", 4), ("06", 6)]
    assert view.evidence[0].guardrails[0].limit == 0.3 and view.evidence[0].guardrails[0].text == "g"


async def test_calls_go_on_while_a_long_history_is_built() -> None:
    """The loop takes many turns meanwhile; the view is the same."""
    numbers = {int(NOW) // 60 + index: [cell(requests=index)] for index in range(1_000)}
    read, turns = Intervals(NOW, 60, numbers), 0
    building = asyncio.create_task(build_history("a", read, 60, NOW, NOW + 60_000))
    while not building.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10 and await building == history_view("a", read, 60, NOW, NOW + 60_000)
