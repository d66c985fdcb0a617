"""Limits and budgets on the pages and in `serinus status`: the nearest to its end first, in words and as a bar."""

from dataclasses import replace

from gateway.cli.status_text import status_rows
from gateway.limits.limit_view import LimitView
from gateway.pages.budgets import budgets
from gateway.pages.overview import overview
from tests.support.page_states import limits, trial, view


def test_the_nearest_to_its_end_stands_first() -> None:
    """With what is used, left, when it begins anew, and a word for what is beyond its soft share."""
    page = budgets(limits())
    order = [page.index(name) for name in ("key nightly-batch", "group internal", "canary search/v2", "agent search")]
    assert order == sorted(order)
    for said in (
        "$50.00 in 24h",
        "used up",
        "$1,710.40 of $2,000.00 in a month, 86 %",
        "$289.60",
        "2026-12-01",
        "beyond soft 80 %",
        "bit by bit",
    ):
        assert said in page, said


def test_a_page_shows_twenty_and_says_how_many_more() -> None:
    """A thousand keys have a page, too; a gateway without limits has no section."""
    many = [LimitView("key", f"app-{index}", "requests", "1m", 600, index, 600 - index, None) for index in range(500)]
    page = budgets(many)
    assert page.count("<tr>") == 21 and "480 more, all with more room" in page and "app-499" in page
    assert "hidden" in budgets(()) and "key app" not in overview(view({"search": trial()})).live["budgets"]


def test_the_command_shows_what_needs_somebody() -> None:
    """What is used up in red, what is beyond its soft share in yellow; one line where all have room."""
    shown = replace(view({"search": trial()}), limits=limits())
    found = {row.text: row.style for row in status_rows(shown, "http://gateway") if row.text.startswith("limit of")}
    assert list(found.values()) == ["red", "yellow", "yellow"]
    assert next(iter(found)) == "limit of key nightly-batch: $50.00 in 24h, 100 % used, $0.0100 left, used up"
    calm = replace(shown, limits=limits()[2:4])
    assert any(row.text.startswith("limits: none of 2 is near its end") for row in status_rows(calm, "http://gateway"))
