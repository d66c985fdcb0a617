"""The curves of an agent: which of its history's values are drawn, in which unit, beside which limit."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby

from gateway.history.view import HistoryView, PointView, SeriesView
from gateway.pages.chart import Band, Chart, Line, Point
from gateway.pages.moments import seconds_of
from gateway.rollout.status_view import AgentView, FindingView
from gateway.rollout.status_words import evidence_number, in_unit, percentage
from policies.behaviours.behaviours import Behaviour

_KINDS = {"stable": "stable", "canary": "canary", "": "stable"}  # the arms that are drawn, by the class of their colour
_ALWAYS = "Error rate"  # the chart that is there without data, too
_Z = 1.96  # of a 95 % interval
_MOST_MARKS = 40
_MINUTE = 60.0  # from one point of evidence to the next, at least

# Titles of the charts of behaviours, which are drawn where a call shows one, whether or not a guardrail names it.
_BEHAVIOURS: Mapping[Behaviour, str] = {
    "bad_tools": "Bad tool calls",
    "off_schema": "JSON off its schema",
    "refusals": "Refusals",
    "truncated": "Truncated answers",
    "empty": "Empty answers",
    "tool_loops": "Tool loops",
    "tool_errors": "Tool errors",
    "handovers": "Handovers",
}

Value = Callable[[PointView], float | None]


def charts(history: HistoryView, agent: AgentView) -> Iterator[Chart]:
    """Yield the charts of an agent, the ones that a rollback is decided by first."""
    chart = _Charts(history, agent)
    yield from (each for each in _all(chart, agent) if each.title == _ALWAYS or any(line.points for line in each.lines))


def _all(chart: "_Charts", agent: AgentView) -> Iterator[Chart]:
    yield chart.of(_ALWAYS, lambda point: point.error_rate, "share", band=_error_band)
    yield chart.of("Latency, p50 to p90", lambda p: p.latency_seconds.p50, "seconds", band=_latency_band)
    yield chart.of("First token, p50", lambda p: p.ttft_seconds.p50, "seconds")
    yield chart.of("Cost per call", lambda point: point.cost_per_call_usd, "usd")
    yield chart.of("Quality", lambda point: point.quality, "share", top=1.0)
    for behaviour, title in _BEHAVIOURS.items():
        if chart.is_shown(behaviour):
            yield chart.of(title, partial(_share_showing, behaviour), "share")
    yield chart.calls()
    if agent.canary is not None:
        yield chart.split()
        yield chart.evidence()


class _Charts:
    """The charts of one history, which share their span, their marks and their arms."""

    def __init__(self, history: HistoryView, agent: AgentView) -> None:
        self._history = history
        self._agent = agent
        self._since, self._until = seconds_of(history.since) or 0.0, seconds_of(history.until) or 0.0
        self._step = float(history.step_seconds)
        self._marks = _marks(history)
        self._series = [each for each in history.series if each.arm in _KINDS]

    def is_shown(self, behaviour: str) -> bool:
        """Return whether a call of an arm shows the behaviour."""
        return any(behaviour in point.behaviours for series in self._series for point in series.points)

    def of(
        self,
        title: str,
        value: Value,
        unit: str,
        band: Callable[[PointView], tuple[float, float] | None] | None = None,
        top: float | None = None,
    ) -> Chart:
        lines = [_line(series, value, band) for series in self._series]
        return self._chart(title, lines, lambda number: in_unit(number, unit), top=top)

    def calls(self) -> Chart:
        minutes, now = self._step / 60, seconds_of(self._history.now) or 0.0

        def rate(point: PointView) -> float | None:
            is_whole = (seconds_of(point.at) or 0.0) + self._step <= now  # a step that has just begun has few calls yet
            return point.calls / minutes if is_whole else None

        lines = [_line(series, rate, None) for series in self._series]
        return self._chart(
            "Calls per minute", lines, lambda number: f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
        )

    def split(self) -> Chart:
        """Return the canary's share of the units that began, beside the weight that it is to have."""
        units: dict[str, list[int]] = {}
        for series in self._series:
            if series.arm:
                for point in series.points:
                    sums = units.setdefault(point.at, [0, 0])
                    sums[0] += point.units if series.arm == "canary" else 0
                    sums[1] += point.units
        points = [(seconds_of(at) or 0.0, part / whole) for at, (part, whole) in sorted(units.items()) if whole]
        line = Line("canary's share", "canary", points)
        weight = self._agent.weight if self._agent.phase in ("running", "paused") else None
        return self._chart(
            "New conversations on the canary", [line], percentage, limit=weight, limit_name="weight now"
        )  # fmt: skip

    def evidence(self) -> Chart:
        """Return E per guardrail, as far as it counts, against the threshold; at a rollback, what that rests on."""
        shares = {finding.text: finding for finding in self._agent.guardrails}
        rolled_back_at = self._rolled_back_at()
        by_text: dict[str, list[Point]] = {}
        for noted in self._history.evidence:
            at = seconds_of(noted.at) or 0.0
            if rolled_back_at is None or at + _MINUTE <= rolled_back_at:
                for each in noted.guardrails:
                    by_text.setdefault(each.text, []).append((at, _counted(each.e_value, each.text, shares)))
        if rolled_back_at is not None:
            for text, finding in shares.items():
                by_text.setdefault(text, []).append((rolled_back_at, _counted(finding.e_value, text, shares)))
        lines = [Line(text, f"guard-{index % 6}", points) for index, (text, points) in enumerate(by_text.items())]
        chart = self._chart(
            "Evidence against the canary (E)", lines, evidence_number, limit=self._agent.threshold,
            limit_name="rolled back at", logarithmic=True, hint="Logarithmic. At the line the canary is rolled back.",
        )  # fmt: skip
        return replace(chart, step=max(self._step, _MINUTE))

    def _rolled_back_at(self) -> float | None:
        """Return when the trial was rolled back, if that lies within the time that is drawn."""
        decision = self._agent.last_decision
        if self._agent.phase != "rolled_back" or decision is None or decision.action != "roll_back":
            return None
        at = seconds_of(decision.at)
        return at if at is not None and at >= self._since else None

    def _chart(
        self,
        title: str,
        lines: Sequence[Line],
        written: Callable[[float], str],
        *,
        limit: float | None = None,
        limit_name: str = "limit",
        logarithmic: bool = False,
        top: float | None = None,
        hint: str = "",
    ) -> Chart:
        return Chart(
            title, lines, self._since, self._until, self._step, written, limit, limit_name, self._marks, logarithmic,
            top, hint=hint,
        )  # fmt: skip


def _counted(e_value: float, text: str, findings: dict[str, FindingView]) -> float:
    """Return the part of the E-value that counts against the family's threshold, on which all are drawn.

    An absolute guardrail has a threshold of its own: it is drawn as far from the line as it is from that.
    """
    finding = findings.get(text)
    if finding is None:
        return e_value
    return e_value * (finding.share or 100.0 / finding.threshold)


def _line(
    series: SeriesView, value: Value, band: Callable[[PointView], tuple[float, float] | None] | None
) -> Line:  # fmt: skip
    points: list[Point] = []
    edges: list[Band] = []
    for point in series.points:
        at, number = seconds_of(point.at), value(point)
        if at is None or number is None:
            continue
        points.append((at, number))
        if band is not None and (edge := band(point)) is not None:
            edges.append((at, *edge))
    name = f"{series.version} {series.arm}".strip()
    return Line(name, _KINDS[series.arm], points, edges)


def _share_showing(behaviour: str, point: PointView) -> float | None:
    return point.behaviours.get(behaviour, 0) / point.calls if point.calls else None


def _error_band(point: PointView) -> tuple[float, float] | None:
    """Return Wilson's 95 % interval of an error rate: few calls say little."""
    rate, n = point.error_rate, point.calls
    if rate is None or not n:
        return None
    middle, room = rate + _Z**2 / (2 * n), _Z * math.sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n * n))
    return max((middle - room) / (1 + _Z**2 / n), 0.0), min((middle + room) / (1 + _Z**2 / n), 1.0)


def _latency_band(point: PointView) -> tuple[float, float] | None:
    low, high = point.latency_seconds.p50, point.latency_seconds.p90
    return None if low is None or high is None else (low, high)


def _marks(history: HistoryView) -> list[tuple[float, str]]:
    """Return the decisions, those of one moment as one mark."""
    found = []
    for at, decisions in groupby(history.decisions[-_MOST_MARKS:], key=lambda decision: decision.at):
        words = ", ".join(f"{each.action.replace('_', ' ')} by {each.actor}" for each in decisions)
        if (seconds := seconds_of(at)) is not None:
            found.append((seconds, words))
    return found
