"""The first suite of the documentation: read as it stands there, with checks that exist."""

import re
from pathlib import Path

from evals.checks import check_problems, graded_checks
from evals.suites import read_suite
from evals.verdict.bounds import cases_needed
from tests.architecture import ROOT


def test_the_first_golden_set_can_be_read(tmp_path: Path) -> None:
    """Three cases, one of which asks a judge; the numbers of cases are those of the verdict."""
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    (suite,) = re.findall(r"```yaml\n(# evals/support\.yaml\n.*?)```", text, re.DOTALL)
    file = tmp_path / "support.yaml"
    file.write_text(suite, encoding="utf-8")
    read = read_suite(file, check_problems)
    assert [case.critical for case in read.cases] == [False, True, False]
    assert [spec.type for spec in graded_checks(read)] == ["llm-rubric"]
    assert (cases_needed(0.05), cases_needed(0.20)) == (59, 14)
