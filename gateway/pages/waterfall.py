"""Bars on one axis of time: when each attempt, call or tool began, and how long it took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.pages.html import Markup, tag
from gateway.rollout.status_words import duration

_WIDTH = 1000
_LEAST = 4  # a bar is never so short that it cannot be seen


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a waterfall: its words, its class, when it began (Unix seconds), how long it took, what else is said.

    `seconds` is None for what never ended, and `cells` are the columns beside it. `depth` indents it.
    """

    words: Markup
    kind: str
    at: float
    seconds: float | None
    cells: tuple[str | Markup, ...] = ()
    depth: int = 0


def waterfall(name: str, bars: Sequence[Bar], columns: Sequence[str]) -> Markup:
    """Return a table whose rows have a bar each, on the axis of all of them."""
    began = min((bar.at for bar in bars), default=0.0)
    ended = max((bar.at + (bar.seconds or 0.0) for bar in bars), default=1.0)
    head = tag("tr", *(tag("th", column, scope="col") for column in ("what", "when", "took", *columns)))
    rows = (tag("tr", *_cells(bar, began, max(ended - began, 1e-6))) for bar in bars)
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="waterfall")
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=name)


def _cells(bar: Bar, began: float, span: float) -> Iterator[Markup]:
    yield tag("th", bar.words, scope="row", class_=f"depth-{min(bar.depth, 3)}")
    x = (bar.at - began) / span * (_WIDTH - _LEAST)
    width = max((bar.seconds or 0.0) / span * (_WIDTH - _LEAST), _LEAST)
    said = f"begins after {duration(bar.at - began)}"
    picture = tag("rect", x=f"{x:.0f}", y=1, width=f"{width:.0f}", height=8, class_=f"fill {bar.kind}")
    yield tag(
        "td",
        tag(
            "svg", tag("title", said), picture, viewBox=f"0 0 {_WIDTH} 10", preserveAspectRatio="none", role="img",
            class_="bar",
        ),
    )  # fmt: skip
    yield tag("td", "–" if bar.seconds is None else duration(bar.seconds))
    for cell in bar.cells:
        yield tag("td", cell)
