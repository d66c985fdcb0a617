"""A curve over time as SVG, drawn here: no library, no script, and a text alternative that says what the eye sees."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.pages.html import NOTHING, Markup, joined, tag

WIDTH, HEIGHT = 340, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 6, 8, 18
_GRID_LINES = 2
_LEAST_LOG = 0.1  # the bottom of a logarithmic scale

Point = tuple[float, float]  # Unix seconds, value
Band = tuple[float, float, float]  # Unix seconds, from, to


@dataclass(frozen=True, slots=True)
class Line:
    """A line of one arm: its name, the class of its colour, its points, and perhaps a band around them."""

    name: str
    kind: str
    points: Sequence[Point]
    band: Sequence[Band] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one span of time. `written` writes a value; `limit` is a line that they are compared with.

    `marks` are moments to be marked, each with its words. A `logarithmic` scale is for evidence.
    """

    title: str
    lines: Sequence[Line]
    since: float
    until: float
    step: float
    written: Callable[[float], str]
    limit: float | None = None
    limit_name: str = "limit"
    marks: Sequence[tuple[float, str]] = ()
    logarithmic: bool = False
    top: float | None = None
    hint: str = field(default="", kw_only=True)


def draw(chart: Chart) -> Markup:
    """Return the figure of the chart: its title, the curve, the legend with each line's latest value."""
    alternative = " ".join(_sentences(chart)) or "No data in this time."
    if not any(line.points for line in chart.lines):
        picture = tag("p", "No data in this time.", class_="empty")
    else:
        picture = tag(
            "svg", tag("title", f"{chart.title}. {alternative}"), *_picture(chart), viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img", class_="chart",
        )  # fmt: skip
    hint = tag("p", chart.hint, class_="hint") if chart.hint else NOTHING
    return tag("figure", tag("figcaption", tag("b", chart.title), *_legend(chart)), picture, hint)


def _legend(chart: Chart) -> Iterator[Markup]:
    for line in chart.lines:
        latest = chart.written(line.points[-1][1]) if line.points else "no data"
        swatch = tag("i", class_=f"swatch {line.kind}", aria_hidden="true")
        yield tag("span", swatch, f"{line.name} ", tag("b", latest), class_="key")


def _sentences(chart: Chart) -> Iterator[str]:
    """Yield what the curve shows, for whoever does not see it."""
    for line in chart.lines:
        if line.points:
            values = [value for _, value in line.points]
            spread = f"from {chart.written(min(values))} to {chart.written(max(values))}"
            yield f"{line.name}: latest {chart.written(values[-1])}, {spread}."
    if chart.limit is not None:
        yield f"{chart.limit_name.capitalize()}: {chart.written(chart.limit)}."
    yield from (f"{words}." for _, words in chart.marks[-3:])


class _Scale:
    """The places of times and values in the picture."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        highest = [value for line in chart.lines for _, value in line.points]
        highest += [value for line in chart.lines for _, _, value in line.band]
        highest += [] if chart.limit is None else [chart.limit]
        self.top = _round_up(max(highest, default=1.0)) if chart.top is None else chart.top
        self._span = max(chart.until - chart.since, 1.0)
        if chart.logarithmic:
            self.top = max(self.top, _LEAST_LOG * 10)

    def x(self, at: float) -> float:
        part = (at - self._chart.since) / self._span
        return _LEFT + min(max(part, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        if self._chart.logarithmic:
            part = math.log(max(value, _LEAST_LOG) / _LEAST_LOG) / math.log(self.top / _LEAST_LOG)
        else:
            part = value / self.top if self.top else 0.0
        return HEIGHT - _BOTTOM - min(max(part, 0.0), 1.0) * (HEIGHT - _TOP - _BOTTOM)

    def ticks(self) -> list[float]:
        if self._chart.logarithmic:
            count = max(round(math.log10(self.top / _LEAST_LOG)), 1)
            every = math.ceil(count / 4)
            return [_LEAST_LOG * 10**power for power in range(0, count + 1, every)]
        return [self.top * part / _GRID_LINES for part in range(_GRID_LINES + 1)]


def _picture(chart: Chart) -> Iterator[Markup]:
    scale = _Scale(chart)
    yield from _grid(chart, scale)
    for at, words in chart.marks:
        x = f"{scale.x(at):.1f}"
        yield tag("line", tag("title", words), x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="mark")
    for line in chart.lines:
        if line.band:
            yield tag("path", d=_area(line.band, scale, chart.step), class_=f"band {line.kind}")
    if chart.limit is not None:
        y = f"{scale.y(chart.limit):.1f}"
        yield tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="limit")
    for line in chart.lines:
        yield tag("path", d=_path(line.points, scale, chart.step), class_=f"line {line.kind}")


def _grid(chart: Chart, scale: _Scale) -> Iterator[Markup]:
    for value in scale.ticks():
        y = scale.y(value)
        yield tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid")
        yield tag("text", _short(chart.written(value)), x=_LEFT - 4, y=f"{y + 3:.1f}", text_anchor="end")
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = chart.since + part * (chart.until - chart.since)
        x = _LEFT + part * (WIDTH - _LEFT - _RIGHT)
        yield moment_text(at, chart.until - chart.since, x=f"{x:.1f}", y=HEIGHT - 5, text_anchor=anchor)


def _short(amount: str) -> str:
    """Return the words of a tick without zeros that say nothing, so that they fit: `$0.000075`."""
    return amount.rstrip("0").rstrip(".") if amount.startswith("$0.") else amount


def moment_text(at: float, span: float, **attributes: str | int) -> Markup:
    """Return a time on the axis in UTC; a script may write the reader's own time there."""
    from gateway.pages.moments import axis_time, rfc3339

    return tag(
        "text", axis_time(at, span), data_time=rfc3339(at), data_span="days" if span > 86_400 else "day", **attributes
    )


def _runs(points: Sequence[tuple[float, ...]], step: float) -> Iterator[list[tuple[float, ...]]]:
    """Yield the points in runs without a gap."""
    run: list[tuple[float, ...]] = []
    for point in points:
        if run and point[0] - run[-1][0] > 2.5 * step:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _path(points: Sequence[Point], scale: _Scale, step: float) -> str:
    parts = []
    for run in _runs(points, step):
        places = [f"{scale.x(at):.1f} {scale.y(value):.1f}" for at, value in run]
        parts.append(f"M{'L'.join(places)}" if len(places) > 1 else f"M{places[0]}h.1")
    return "".join(parts)


def _area(band: Sequence[Band], scale: _Scale, step: float) -> str:
    parts = []
    for run in _runs(band, step):
        if len(run) > 1:
            there = [f"{scale.x(at):.1f} {scale.y(high):.1f}" for at, _, high in run]
            back = [f"{scale.x(at):.1f} {scale.y(low):.1f}" for at, low, _ in reversed(run)]
            parts.append(f"M{'L'.join([*there, *back])}Z")
    return "".join(parts)


def _round_up(value: float) -> float:
    """Return the next round number, so that the scale has round ticks."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next((nice * size for nice in (1, 1.5, 2, 3, 5, 7.5, 10) if value <= nice * size * (1 + 1e-9)), 10 * size)


def figures(charts: Iterable[Chart]) -> Markup:
    """Return the charts side by side."""
    return tag("div", joined(map(draw, charts)), class_="charts")
