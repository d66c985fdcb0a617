"""The report of an agent's rollout: one page that needs nothing else, to be sent and kept."""

from collections.abc import Iterator, Sequence
from importlib.resources import files

from gateway.history.costs_view import CostRowView, CostsView
from gateway.pages.agent_page import AgentReading, agent_page
from gateway.pages.html import Markup, joined, tag
from gateway.rollout.status_view import StatusView
from gateway.rollout.status_words import usd

_PARTS = ("now", "difference", "limits", "curves", "timeline", "split", "numbers")
_OFFLINE = "nav.spans{display:none}"  # links that lead nowhere from a file
_COLUMNS = ("version", "calls", "input tokens", "output tokens", "cost", "a call", "fallback", "hedge", "cancelled")


def report(view: StatusView, name: str, reading: AgentReading, costs: CostsView) -> str:
    """Return the page of the agent of that name, with its style, without a script and without an address."""
    page = agent_page(view, name, reading)
    style = files("gateway.pages").joinpath("status.css").read_text("utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"Report on {page.title} · Serinus"),
        tag("style", Markup(style + _OFFLINE)),
    )
    made = tag("p", f"Made at {view.now} by Serinus {view.gateway.version}.", class_="hint")
    main = tag("main", *(page.live[part] for part in _PARTS), _costs(costs), made, id="main")
    return joined((Markup("<!doctype html>"), tag("html", head, tag("body", main), lang="en")))


def _costs(costs: CostsView) -> Markup:
    head = tag("thead", tag("tr", *(tag("th", column, scope="col") for column in _COLUMNS)))
    rows = [_row(row.version or "", row) for row in costs.rows]
    table = tag("table", head, tag("tbody", *rows, _row("all", costs.total)))
    return tag(
        "section",
        tag("h2", "Costs"),
        tag("p", f"From {costs.since} to {costs.until}, days in UTC."),
        tag("div", table, class_="scroll", tabindex="0"),
        *(tag("p", sentence) for sentence in _sentences(costs)),
        id="costs",
    )


def _row(name: str, row: CostRowView) -> Markup:
    each = "–" if row.cost_per_call_usd is None else usd(row.cost_per_call_usd)
    parts = (row.fallback_usd, row.hedge_usd, row.cancelled_usd)
    cells: Sequence[str] = (
        f"{row.calls:,}", f"{row.tokens.input:,}", f"{row.tokens.output:,}", usd(row.cost_usd), each, *map(usd, parts)
    )  # fmt: skip
    return tag("tr", tag("th", name, scope="row"), *(tag("td", cell) for cell in cells))


def _sentences(costs: CostsView) -> Iterator[str]:
    for each in costs.conversations:
        p95 = "" if each.p95_usd is None else f", {usd(each.p95_usd)} at the 95th percentile"
        mean = f"a conversation cost {usd(each.mean_usd)} on average"
        yield f"{each.version}: {mean}{p95} ({each.conversations:,} began)."
    for comparison in costs.comparisons:
        yield f"{comparison.sentence}."
    if costs.total.unpriced:
        yield f"{costs.total.unpriced:,} attempts have no known price, and are not in the costs."
