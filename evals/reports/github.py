"""An evaluation in GitHub Actions: a summary of the job, and a mark at each case that refuses the version."""

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from evals.reports.junit import reason_of
from evals.reports.markdown import as_markdown
from evals.results import CaseResult, SuiteResult
from gateway.terminal import printable


def is_github(environ: Mapping[str, str]) -> bool:
    """Return whether this runs as a step of a workflow."""
    return environ.get("GITHUB_ACTIONS") == "true"


def append_summary(result: SuiteResult, environ: Mapping[str, str]) -> None:
    """Append the report to the job's summary, where there is one. Raises OSError."""
    if file := environ.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(as_markdown(result))


def without_commands(text: str) -> str:
    """Return text between marks that stop workflow commands: a model's answer may look like one."""
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}\n::{token}::"


def annotations(result: SuiteResult) -> Iterator[str]:
    """Yield a workflow command for each case that refuses the version."""
    for each in result.results:
        if each.pair.newly_fails or (each.case.critical and not each.pair.passes_always):
            yield _annotation(each)


def _annotation(result: CaseResult) -> str:
    place, bad = result.case.place, next(run for run in result.candidate if run.outcome is not True)
    title = f"case {result.case.id}"
    properties = f"file={_escaped(place.file, ':,')},line={max(place.line, 1)},title={_escaped(title, ':,')}"
    return f"::error {properties}::{_escaped(printable(reason_of(bad)))}"


def _escaped(text: str, more: str = "") -> str:
    """Return a value as workflow commands want it: a model's answer must not become a command of its own."""
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)
