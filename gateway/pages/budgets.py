"""Limits and budgets of callers and agents: what is used, what is left, and when that changes."""

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.limits.limit_view import LimitView
from gateway.limits.limit_words import USED_UP, limit_in_words, soft_in_words
from gateway.number_words import percentage, usd
from gateway.pages.condition import Level
from gateway.pages.frame import chip
from gateway.pages.html import NOTHING, Markup, tag
from gateway.pages.moments import moment

_SHOWN: Final = 20
_BAR: Final = 100
_HEADS: Final = ("of", "used", "left", "begins anew")


def budgets(limits: Sequence[LimitView]) -> Markup:
    """Return the section on limits, those that are nearest to their end first; hidden where there are none."""
    if not limits:
        return tag("section", id="budgets", hidden=True)
    order = sorted(limits, key=lambda each: (-each.used_ratio, each.level, each.name))
    head = tag("tr", *(tag("th", name, scope="col") for name in _HEADS))
    rows = (tag("tr", _holder(each), *_cells(each)) for each in order[:_SHOWN])
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Limits and budgets")
    left_out = len(order) - _SHOWN
    more = (
        tag("p", f"{left_out:,} more, all with more room: serinus keys usage.", class_="hint")
        if left_out > 0
        else NOTHING
    )
    return tag("section", tag("h2", "Limits and budgets"), scroll, more, id="budgets")


def _holder(limit: LimitView) -> Markup:
    """Return whose limit it is, and below it what somebody should know."""
    soft = soft_in_words(limit)
    sign = (tag("br"), chip(_level(limit), soft)) if soft else ()
    return tag("th", f"{limit.level} {limit.name}", *sign, scope="row")


def _cells(limit: LimitView) -> Iterator[Markup]:
    used = usd(limit.used) if limit.kind == "usd" else f"{limit.used:,.0f}"
    words = f"{used} of {limit_in_words(limit)}, {percentage(limit.used_ratio)}"
    yield tag("td", _bar(limit, _level(limit)), tag("span", words))
    yield tag("td", usd(limit.left) if limit.kind == "usd" else f"{limit.left:,.0f}")
    yield tag("td", moment(limit.resets_at) if limit.resets_at else "bit by bit" if limit.window else "–")


def _level(limit: LimitView) -> Level:
    soft = soft_in_words(limit)
    return "hurt" if soft == USED_UP else "attention" if soft else "fine"


def _bar(limit: LimitView, level: Level) -> Markup:
    """Return the used share as a bar, with a mark at the soft share."""
    used = _BAR * min(limit.used_ratio, 1.0)
    at = _BAR * (limit.soft or 0.0)
    mark = tag("line", x1=f"{at:.1f}", x2=f"{at:.1f}", y1=0, y2=12, class_="limit") if limit.soft else NOTHING
    said = (f"soft {percentage(limit.soft)}, " if limit.soft else "") + f"used {percentage(limit.used_ratio)}"
    return tag(
        "svg",
        tag("title", said),
        tag("rect", x=0, y=3, width=_BAR, height=6, rx=3, class_="track"),
        tag("rect", x=0, y=3, width=f"{used:.1f}", height=6, rx=3, class_=f"fill {level}"),
        mark,
        viewBox=f"0 0 {_BAR} 12",
        preserveAspectRatio="none",
        role="img",
        class_="bar",
    )
