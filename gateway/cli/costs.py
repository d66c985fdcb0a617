"""`serinus costs`: what calls have cost, as tables, CSV or JSON."""

import argparse
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from urllib.parse import urlencode

from gateway.cli.client import Operator
from gateway.history.costs_view import CostRowView, CostsView, ProjectionView
from gateway.number_words import usd
from gateway.terminal import one_line

_NAMES = ("agent", "version", "key", "model", "day")
_PARTS = ("fallback", "hedge", "shadow", "cancelled")
_COLUMNS = ("calls", "input", "output", "cost", "a call", *_PARTS)
_MOST_DEAREST = 5


def print_costs(operator: Operator, given: argparse.Namespace) -> int:
    """Print what was asked for; the exit code."""
    query = {"by": given.by, "since": given.since, **({"agent": given.agent} if given.agent else {})}
    said = operator.ask_json("costs", query=urlencode(query))
    if given.json:
        print(json.dumps(said, indent=2))
    elif given.csv:
        print(to_csv(operator.read(CostsView, said)), end="")
    else:
        print("\n".join(describe_costs(operator.read(CostsView, said))))
    return 0


def to_csv(view: CostsView) -> str:
    """The rows as CSV (RFC 4180), with a line of names. No text in it is a formula of a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = [name for name in _NAMES if name in view.by]
    first = view.total
    numbers = [name for name in asdict(first) if name not in (*_NAMES, "tokens")]
    writer.writerow([*names, *numbers, *(f"{kind}_tokens" for kind in asdict(first.tokens))])
    for row in view.rows:
        shown = asdict(row)
        writer.writerow(
            [*(_harmless(shown[name]) for name in names), *(shown[name] for name in numbers), *shown["tokens"].values()]
        )
    return out.getvalue()


def _harmless(text: str | None) -> str | None:
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text


def describe_costs(view: CostsView) -> Iterator[str]:
    """Return the lines for a terminal; a plain model's name is its client's word."""
    return map(one_line, _lines(view))


def _lines(view: CostsView) -> Iterator[str]:
    yield f"costs from {view.since} to {view.until}, days in UTC"
    names = [name for name in _NAMES if name in view.by]
    rows = [[*(one_line(getattr(row, name) or "") for name in names), *_cells(row)] for row in view.rows]
    total = [*("total" if index == 0 else "" for index in range(len(names))), *_cells(view.total)]
    yield from _table([*names, *_COLUMNS], [*rows, total] if names else [total], len(names))
    if view.total.unpriced:
        yield f"{view.total.unpriced:,} attempts have no known price, and are not in the costs"
    if view.total.judge_usd:
        yield f"{usd(view.total.judge_usd)} of it for judges of live calls"
    yield ""
    yield _month(view.projection)
    if view.conversations:
        yield "a conversation cost:"
    for each in view.conversations:
        p95 = "" if each.p95_usd is None else f", {usd(each.p95_usd)} at the 95th percentile"
        began = f"{each.conversations:,} conversations"
        yield f"  {each.agent} {each.version}: {usd(each.mean_usd)} on average{p95}, of {began}"
    if view.dearest:
        yield "the dearest, by their latest call:"
    for dear in view.dearest[:_MOST_DEAREST]:
        yield f"  {usd(dear.cost_usd)}  {dear.agent} {dear.version}  {dear.day}  {dear.call_id}"
    for comparison in view.comparisons:
        yield f"{comparison.agent}: {comparison.sentence}"


def _cells(row: CostRowView) -> list[str]:
    parts = [getattr(row, f"{part}_usd") / row.cost_usd if row.cost_usd else 0.0 for part in _PARTS]
    each = "-" if row.cost_per_call_usd is None else usd(row.cost_per_call_usd)
    shares = ("-" if not share else f"{share:.1%}" for share in parts)
    return [f"{row.calls:,}", f"{row.tokens.input:,}", f"{row.tokens.output:,}", usd(row.cost_usd), each, *shares]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], names: int) -> Iterator[str]:
    """Names to the left, numbers to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) if index < names else cell.rjust(width)
                 for index, (cell, width) in enumerate(zip(line, widths, strict=True)))  # fmt: skip
        yield "  ".join(cells).rstrip()


def _month(projection: ProjectionView) -> str:
    said = f"{projection.month}: {usd(projection.spent_usd)} spent"
    expected, low, high = projection.expected_usd, projection.low_usd, projection.high_usd
    if expected is None or low is None or high is None:
        return f"{said}; nothing is expected from {projection.days} whole days, 7 are needed"
    return f"{said}, {usd(expected)} expected by its end ({usd(low)} to {usd(high)})"
