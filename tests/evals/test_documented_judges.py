"""The page on judges: its numbers are those of the code, and its suite is one that runs."""

import json
import re
from pathlib import Path

import pytest

from evals.checks import check_problems, graded_checks
from evals.suites import read_suite
from gateway.cli.main import main
from gateway.judging.agreement import LEAST_KAPPA, MIN_LABELS, MIN_OF_EACH, Agreement
from tests.architecture import ROOT

PAGE = (ROOT / "docs" / "judges.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| both pass (\d+), judge alone (\d+), people alone (\d+), both fail (\d+) (\|.*)")


@pytest.mark.parametrize("row", ROW.findall(PAGE))
def test_the_table_is_what_the_counts_say(row: tuple[str, ...]) -> None:
    """Agreement, κ with its interval, and whether a guardrail acts on it."""
    counts = Agreement(*map(int, row[:4]))
    agree, kappa = (counts.both_pass + counts.both_fail) / counts.labels, counts.kappa
    assert kappa is not None and counts.labels == 60
    shown = f"{kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})"
    assert row[4] == f"| {agree:.0%} | {shown} | {'yes' if counts.is_trusted else 'no'} |".replace("%", " %")


def test_the_bounds_are_those_of_the_gateway() -> None:
    """From which κ, over how many labels."""
    words = f"κ ≥ {LEAST_KAPPA}, over at least {MIN_LABELS} labels with {MIN_OF_EACH} of each kind"
    assert len(ROW.findall(PAGE)) == 2 and words in PAGE


def test_the_true_rate_is_adjusted_as_the_page_says() -> None:
    """By the errors of the first judge of the table."""
    found = Agreement(both_pass=38, judge_only=6, people_only=4, both_fail=12).adjusted_rate(700, 1000)
    assert found is not None
    assert f"{found.value:.0%} are good ({found.low:.0%} to {found.high:.0%})".replace("%", " %") in PAGE.replace(
        "\n", " "
    )


def test_the_suite_of_the_page_is_read(tmp_path: Path) -> None:
    """With its one judge."""
    (suite,) = re.findall(r"```yaml\n(cases:.*?)```", PAGE, re.DOTALL)
    (tmp_path / "s.yaml").write_text(suite, encoding="utf-8")
    assert [spec.type for spec in graded_checks(read_suite(tmp_path / "s.yaml", check_problems))] == ["llm-rubric"]


def test_calibrate_says_what_the_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """κ of the first judge of the table, and the rate that people would find, by the command of the page."""
    (command,) = re.findall(r"serinus (judge calibrate) labels\.jsonl( --passed 700 --judged 1000)", PAGE)
    labels = [
        (human, judge) for human, judge, count in ((1, 1, 38), (0, 1, 6), (1, 0, 4), (0, 0, 12)) for _ in range(count)
    ]
    about = {"agent": "support", "version": "v2", "judge_digest": "d" * 64, "at": "2026-11-30T12:00:00Z", "comment": ""}
    rows = [{"call_id": f"c{at}", "human": human, "judge": judge, **about} for at, (human, judge) in enumerate(labels)]
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert main([*command[0].split(), str(file), *command[1].split()]) == 0
    said = capsys.readouterr().out
    assert "κ = 0.59 (0.36 to 0.82)" in said and "64% of the calls good (45% to 82%)" in said


@pytest.mark.parametrize(
    ("counts", "fault"),
    [
        (["--passed", "12"], "--passed and --judged go together"),
        (["--judged", "12"], "--passed and --judged go together"),
        (["--passed", "12", "--judged", "10"], "--passed 12 is more than --judged 10"),
    ],
)
def test_counts_of_other_verdicts_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: list[str], fault: str
) -> None:
    """One count alone, or more passed than judged, is refused rather than left out or told as a rate."""
    file = tmp_path / "labels.jsonl"
    file.write_text('{"human": 1, "judge": 1}\n')
    assert main(["judge", "calibrate", str(file), *counts]) == 2
    assert fault in capsys.readouterr().err
