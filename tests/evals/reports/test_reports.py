"""Reports of an evaluation, for each of their readers, with a hostile model's answers in them."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from evals.answer import CaseAnswer
from evals.checks.scores import CaseScore
from evals.reports import WRITERS, write_report
from evals.reports.document import as_json
from evals.reports.github import annotations, append_summary
from evals.reports.junit import as_junit
from evals.reports.markdown import as_markdown, marker
from evals.reports.page import as_html
from evals.reports.terminal import progress_line, text_lines
from evals.results import CaseResult, CaseRun, SuiteResult
from evals.running.suite_run import Progress
from evals.verdict.verdict import suite_verdict
from routing.agents import AgentVersion, Target
from tests.support.evaluations import case_of, suite_of

HOSTILE = "<script>alert(1)</script> | `x` ![](http://e.invalid/p.png) @everyone\n::error::owned\x1b[31m\x00"


def run(passed: bool | None, text: str = "It was shipped.", cost: int | None = 8_000_000) -> CaseRun:
    """A repeat that passed, failed or is undecided."""
    if passed is None:
        return CaseRun(undecided="the provider could not be reached")
    answer = CaseAnswer(text, "stop", latency_seconds=0.5, cost_nano_usd=cost, input_tokens=10, output_tokens=8)
    return CaseRun(answer, CaseScore(passed, float(passed), "all checks passed" if passed else f"lacks {text}"))


def result() -> SuiteResult:
    """One case that newly fails with hostile words, one that is fixed, one that is critical and undecided."""
    newly = CaseResult(case_of("refund"), [run(False, HOSTILE)], [run(True)], [(run(False, HOSTILE), run(True))])
    fixed = CaseResult(case_of("fixed"), [run(True)], [run(False)])
    critical = CaseResult(case_of("critical", critical=True), [run(None)], [run(True)])
    results = (newly, fixed, critical)
    verdict = suite_verdict([each.pair for each in results])
    candidate, stable = (AgentVersion(name, Target("p", "m"), name) for name in ("v2", "v1"))
    suite = suite_of(*(each.case for each in results), notes=("providers of the file are not asked",))
    return SuiteResult(
        "support", candidate, stable, suite, 1, results, verdict, 1_800_000_000.0, 1_800_000_004.0, 24_000_000
    )


def test_programs_read_all_of_it() -> None:
    """Versions by digest, the verdict, each run; promptfoo's names for the sums."""
    said = json.loads(as_json(result()))
    assert said["schema"] == "serinus.eval/1" and said["began"] == "2027-01-15T08:00:00Z"
    assert said["results"]["stats"] == {
        "successes": 1, "failures": 1, "errors": 1, "durationMs": 4000,
        "tokenUsage": {"prompt": 20, "completion": 16, "total": 36},
    }  # fmt: skip
    first = said["results"]["cases"][0]
    assert (first["comparison"], first["candidate"][0]["outcome"]) == ("worse", False)
    assert first["candidate"][0]["answer"]["cost_usd"] == 0.008
    assert said["verdict"]["critical_failing"] == ["critical"]


def test_test_runners_read_junit() -> None:
    """A test for each case; characters that XML forbids are replaced."""
    root = Xml.fromstring(as_junit(result()))  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    found = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert found == {"refund": ["failure"], "fixed": [], "critical": ["error"]}


def test_a_pull_request_gets_one_comment() -> None:
    """Found by its marker; a model's words stay words in it."""
    said = as_markdown(result())
    assert said.startswith(marker(result())) and "### ❌ support&#64;v2" not in said
    assert "**Newly failing: 1**" in said and "**Fixed: 1**" in said and "**Critical and not passed: 1**" in said
    assert "<script>" not in said and "![](" not in said and "@everyone" not in said
    assert "&#96;x&#96;" in said and "&&#35;" not in said and "\x1b" not in said
    rows = [line for line in said.splitlines() if line.startswith("| refund")]
    assert len(rows) == 1 and rows[0].count("|") == 5


def test_a_browser_shows_words_as_words() -> None:
    """Whatever a model has written; the worst come first."""
    said = as_html(result())
    assert "<script>" not in said and "&lt;script&gt;" in said and "\x1b" not in said
    assert said.index("<td>refund") < said.index("<td>fixed")


def test_github_marks_what_refuses_the_version() -> None:
    """At the case's own line; an answer cannot write a command."""
    said = list(annotations(result()))
    assert [line.split("::")[1] for line in said] == [
        "error file=s.yaml,line=1,title=case refund", "error file=s.yaml,line=1,title=case critical",
    ]  # fmt: skip
    assert not any("\n" in line for line in said)


def test_the_summary_of_a_job_is_appended(tmp_path: Path) -> None:
    """Where the workflow has one."""
    append_summary(result(), {})
    append_summary(result(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})
    assert (tmp_path / "summary").read_text() == as_markdown(result())


def test_a_person_reads_the_verdict_first() -> None:
    """Then what did not pass, with file and line, and why."""
    lines = list(text_lines(result()))
    assert lines[0] == result().verdict.sentence
    assert "  refund (s.yaml:1): 0 of 1 passed" in lines
    assert "  critical critical (s.yaml:1): 0 of 1 passed" in lines
    assert lines[-1] == "3 cases, 0.0240 USD spent"


def test_progress_fits_one_line() -> None:
    """Done and to do, what was found, what was spent."""
    line = progress_line(Progress(60, 30, 2, 3, 1_500_000_000, 1))
    assert line == "██████████░░░░░░░░░░ 30/60  3 not passed, 2 worse than stable  1.5000 USD  asking 1 again"


@pytest.mark.parametrize("ending", WRITERS)
def test_the_name_s_ending_chooses_the_report(ending: str, tmp_path: Path) -> None:
    """Folders are made."""
    write_report(result(), tmp_path / "out" / f"report{ending}")
    assert (tmp_path / "out" / f"report{ending}").read_text() == WRITERS[ending](result())
