"""What a person sees: lines for a pipe, a panel for a terminal, and rows at the end."""

from io import StringIO

import pytest
from rich.console import Console

from gateway.rehearsal.demo.checks import checks
from gateway.rehearsal.demo.panel import PanelScreen, panel
from gateway.rehearsal.demo.picture import Row
from gateway.rehearsal.demo.plain import PlainScreen, clock, line
from gateway.rehearsal.demo.summary import figures, live_page, marks, where_to_look
from tests.gateway.rehearsal.demo.samples import facts, ledger, picture, sums


def console(*, is_terminal: bool = False) -> tuple[Console, StringIO]:
    out = StringIO()
    return Console(file=out, width=90, force_terminal=is_terminal, color_system=None, legacy_windows=False), out


def test_a_line_has_the_whole_moment() -> None:
    """Split, requests, errors, cost, evidence, phase and what clients saw, on one line."""
    assert line(picture()) == (
        "01:23   v2 on trial: v1 94.8% 100 requests 1 errors $0.100  v2 5.2% 5 requests 1 errors $0.100  "
        "E 0.5 of 100  running at 5%  1234 calls, clients saw 0 errors, 0 flips"
    )


def test_replicas_that_differ_are_both_named() -> None:
    """While a rollback spreads, one replica may still split."""
    assert "rolled_back at 0% | running at 5%" in line(picture(phases=("rolled_back at 0%", "running at 5%")))


def test_lines_come_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    """Frames come more often; after the story, far less often."""
    screen = PlainScreen()
    for seconds in (0.0, 0.5, 1.0, 1.9, 2.0):
        screen.paint(picture(seconds=seconds))
    screen.pause()
    screen.paint(picture(seconds=3.0))
    screen.paint(picture(seconds=4.0))
    assert [text[:5] for text in capsys.readouterr().out.splitlines()] == ["00:00", "00:01", "00:02", "00:03"]


def test_rows_stand_under_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Every column is as wide as its longest word, and nothing trails."""
    PlainScreen().list([("a", "bb", "c"), ("aaa", "b", "")])
    assert capsys.readouterr().out == "a    bb  c\naaa  b\n\n"


@pytest.mark.parametrize(("e_value", "cells"), [(0.2, 0), (1.0, 0), (10.0, 20), (99.0, 40), (1e6, 40)])
def test_the_bar_grows_with_the_logarithm_of_the_evidence(e_value: float, cells: int) -> None:
    """Nothing at E = 1, half at 10, full at the threshold of 100."""
    out, text = console()
    out.print(panel(picture(e_value=e_value), 90))
    assert text.getvalue().count("█") == cells


def test_the_panel_shows_both_versions_and_the_clients() -> None:
    """Also where a version has not served yet, and where something went wrong for clients."""
    out, text = console()
    empty = Row("v2", "canary", 0.0, 0.0, sums(requests=0))
    shown = picture(
        rows=(picture().rows[0], empty), client_errors=1, flips=2, escalated=3, broken=True, rolled_back=True
    )
    out.print(panel(shown, 90))
    for words in ("v1 stable", "94.8%", "$0.00100", "v2 canary", "1 error ", "2 flips of version", "3 handed"):
        assert words in text.getvalue()


def test_eighty_columns_hold_the_panel() -> None:
    """And 24 lines: names and costs in full, the page, and in one sentence what E means."""
    small = sums(cost_usd=0.013, cost_per_request_usd=0.000135)
    rows = (Row("v1", "stable", 0.95, 0.948, sums(requests=98_765)), Row("v2", "canary", 0.05, 0.052, small))
    out = Console(file=StringIO(), width=80, legacy_windows=False)
    with out.capture() as captured:
        out.print(panel(picture(rows=rows, e_value=147.2, calls=123_456), 80))
    lines = captured.get().splitlines()
    said = " ".join(" ".join(line.strip("│ ") for line in lines).split())
    assert len(lines) <= 18 and max(map(len, lines)) == 80 and "…" not in said
    assert "v1 stable" in said and "$0.00100" in said and "$0.0130 $0.000135" in said
    assert "E = 147 of 100" in said and "page http://127.0.0.1:50001/status/customer-support" in said
    assert "a canary as good as stable looks this bad in 1 of 147 rollouts; at E = 100 it is rolled back" in said


def test_a_closed_gate_stands_in_the_place_of_evidence() -> None:
    """With the reason, within 80 columns and 24 lines."""
    rows = (picture().rows[0], Row("v3", "canary", 0.0, 0.0, sums(requests=0)))
    counts = "Failed: worse than stable on 8 cases, better on 0 (E = 56.8, proof from 20)."
    reason = f"v3 has not passed its evaluation: {counts}"
    shown = picture(rows=rows, phases=("pending at 0%",) * 2, gate=reason, broken=True, rolled_back=True)
    out = Console(file=StringIO(), width=80, legacy_windows=False)
    with out.capture() as captured:
        out.print(panel(shown, 80))
    lines = captured.get().splitlines()
    said = " ".join(" ".join(line.strip("│ ") for line in lines).split())
    assert len(lines) <= 18 and max(map(len, lines)) == 80
    assert "gate closed" in said and reason in said and "E = 0" not in said and "v3 canary 0%" in said
    assert "gate closed  pending at 0%" in line(shown)


def test_the_panel_stays_below_what_happened() -> None:
    """Events are written above; at a pause the last picture is left standing and the cursor given back."""
    out, text = console(is_terminal=True)
    screen = PanelScreen(out)
    screen.paint(picture())
    screen.say("ROLLED BACK by the controller", 83.0)
    screen.pause()
    screen.pause()
    assert "01:23 ● ROLLED BACK by the controller" in text.getvalue()
    assert text.getvalue().endswith("\x1b[?25h")


def test_the_summary_in_rows() -> None:
    """Check marks and numbers, on the terminal as in the pipe; what is to be copied is never folded."""
    out, text = console()
    screen = PanelScreen(out)
    screen.list(marks(checks(facts(), ledger())))
    screen.list(figures(facts(), ledger()))
    screen.write("x" * 200)
    assert text.getvalue().count("✔") == 12
    assert "4 ms until the last replica had turned" in text.getvalue()
    assert "x" * 200 in text.getvalue()


def test_where_to_look() -> None:
    """Both replicas' status pages, and commands with their URLs."""
    assert live_page("http://a") == "http://a/status/customer-support"
    shown = list(where_to_look(["http://a", "http://b"], "serinus", "t0ken"))
    assert shown[:2] == ["http://a/status", "http://b/status"]
    assert "serinus status --url http://a" in shown
    assert "SERINUS_ADMIN_TOKEN=t0ken serinus audit customer-support --url http://b" in shown


def test_the_clock() -> None:
    """Minutes and seconds."""
    assert [clock(seconds) for seconds in (0.0, 59.9, 60.0, 3725.0)] == ["00:00", "00:59", "01:00", "62:05"]
