"""What `costs` prints: tables that people read, and CSV that a spreadsheet reads and does not run."""

import csv
from dataclasses import replace

from gateway.cli.costs import describe_costs, to_csv
from gateway.history.costs_view import (
    ComparisonView,
    ConversationCostView,
    CostRowView,
    CostsView,
    DearConversationView,
    ProjectionView,
)
from gateway.history.view import TokenSums

ROW = CostRowView(
    "support", "v1", None, None, None, calls=1200, tokens=TokenSums(2_000_000, 90_000, 5, 6), cost_usd=12.5,
    cost_per_call_usd=0.0104, fallback_usd=1.25, hedge_usd=0.0, shadow_usd=0.0, cancelled_usd=0.0, unpriced=0,
    estimated=0,
)  # fmt: skip
VIEW = CostsView(
    now="2026-11-30T12:00:00.000Z", since="2026-11-01", until="2026-11-30", by=("agent", "version"), rows=(ROW,),
    total=replace(ROW, agent=None, version=None), projection=ProjectionView("2026-11", 12.5, 13.0, 12.9, 13.2, 28),
)  # fmt: skip


def lines(view: CostsView) -> list[str]:
    return list(describe_costs(view))


def test_rows_and_their_total_are_a_table() -> None:
    """Numbers to the right, shares of the cost beside it, and the month below."""
    head, columns, row, total, _, month = lines(VIEW)
    assert head == "costs from 2026-11-01 to 2026-11-30, days in UTC"
    assert columns.split()[:6] == ["agent", "version", "calls", "input", "output", "cost"]
    assert row.split() == [
        "support",
        "v1",
        "1,200",
        "2,000,000",
        "90,000",
        "$12.50",
        "$0.0104",
        "10.0%",
        "-",
        "-",
        "-",
    ]
    assert total.split()[:2] == ["total", "1,200"] and len(total) == len(row) == len(columns)
    assert month == "2026-11: $12.50 spent, $13.00 expected by its end ($12.90 to $13.20)"


def test_what_is_not_known_is_said() -> None:
    """Attempts without a price, and a month that is too young; a gateway without a call has a table, too."""
    nothing = replace(ROW, calls=0, cost_usd=0.0, cost_per_call_usd=None, fallback_usd=0.0, unpriced=7)
    young = ProjectionView("2026-11", 0.0, None, None, None, 3)
    said = lines(replace(VIEW, rows=(), total=nothing, projection=young, by=()))
    assert said[2].split()[:1] == ["0"] and said[2].split()[3:5] == ["$0", "-"]
    assert said[3] == "7 attempts have no known price, and are not in the costs"
    assert said[-1] == "2026-11: $0 spent; nothing is expected from 3 whole days, 7 are needed"


def test_conversations_and_the_comparison_end_it() -> None:
    """With the call by which the dearest one is found."""
    said = lines(
        replace(
            VIEW,
            conversations=(
                ConversationCostView("support", "v1", 300, 0.05, 0.2), ConversationCostView("b", "v1", 1, 1.0, None),
            ),
            dearest=(DearConversationView("support", "v1", "2026-11-29", 3.5, "call-id"),),
            comparisons=(ComparisonView("support", "v1", "v2", None, None, None, None, None, None, "too few"),),
        )
    )  # fmt: skip
    assert "  support v1: $0.0500 on average, $0.200 at the 95th percentile, of 300 conversations" in said
    assert "  b v1: $1.00 on average, of 1 conversations" in said
    assert said[-2:] == ["  $3.50  support v1  2026-11-29  call-id", "support: too few"]


def test_csv_has_every_number() -> None:
    """And the names that rows are by."""
    first, row = csv.reader(to_csv(VIEW).splitlines())
    assert first[:4] == ["agent", "version", "calls", "cost_usd"] and "reasoning_tokens" in first
    assert dict(zip(first, row, strict=True))["fallback_usd"] == "1.25" and len(row) == len(first)


def test_csv_is_no_formula() -> None:
    """A plain model's name is the client's: a spreadsheet must not run it."""
    (_, row) = csv.reader(to_csv(replace(VIEW, rows=(replace(ROW, version='=HYPERLINK("x")'),))).splitlines())
    assert row[1] == '\'=HYPERLINK("x")'


def test_a_name_makes_no_row_of_its_own() -> None:
    """A plain model's name is the client's: its line ends are written as escapes."""
    said = lines(replace(VIEW, rows=(replace(ROW, version="x\ntotal\x1b[2J"),)))
    assert len(said) == len(lines(VIEW)) and "x\\ntotal\\x1b[2J" in said[2] and all(map(str.isprintable, said))
