"""Reports of an evaluation: for programs, for test runners, for a pull request, for a browser, for a terminal."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from evals.reports.document import as_json
from evals.reports.junit import as_junit
from evals.reports.markdown import as_markdown
from evals.reports.page import as_html
from evals.results import SuiteResult

WRITERS: Final[Mapping[str, Callable[[SuiteResult], str]]] = {
    ".junit.xml": as_junit,
    ".json": as_json,
    ".md": as_markdown,
    ".html": as_html,
}


def of_version(file: Path, result: SuiteResult) -> Path:
    """Return the file's name with that of the version in it, `report-support-v2.md`: where there may be several."""
    ending = _ending(file)
    return file.with_name(f"{file.name.removesuffix(ending)}-{result.agent}-{result.candidate.name}{ending}")


def write_report(result: SuiteResult, file: Path) -> None:
    """Write the report that the file's name ends like. Raises OSError."""
    writer = WRITERS[_ending(file)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(writer(result), encoding="utf-8")


def _ending(file: Path) -> str:
    return next(each for each in WRITERS if file.name.endswith(each))
