"""A suite as a text that people can read and compare: its cases and checks, or what is wrong with it."""

import os
from collections.abc import Iterator
from pathlib import Path

from evals.cases import Case, CheckSpec, Suite, SuiteError
from evals.checks import check_problems
from evals.suites import read_suite
from tests.architecture import ROOT

OUTCOME = "outcome.txt"
_SETTINGS = ("threshold", "weight", "metric", "target", "transform")
_MAIN = ("promptfooconfig.yaml", "suite.yaml", "support.yaml")  # of several files, the one that is read


def main_file(folder: Path) -> Path:
    """Return the file of a folder that the suite begins with."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != OUTCOME)
    return next((path for path in files if path.name in _MAIN), files[0])


def outcome(folder: Path) -> str:
    """Return what becomes of the suite in a folder."""
    try:
        suite = read_suite(main_file(folder), check_problems)
    except SuiteError as error:
        lines = [f"refused: {line}" for line in str(error).splitlines()]
    else:
        lines = list(_suite_lines(suite))
    text = "\n".join(lines) + "\n"
    return text.replace(f"{os.path.relpath(folder)}/", "").replace(f"{folder}", "FOLDER").replace(f"{ROOT}", "ROOT")


def _suite_lines(suite: Suite) -> Iterator[str]:
    yield f"{suite.dialect}: {suite.name}"
    yield f"repeat {suite.repeat}, at once {suite.max_concurrency}, delay {suite.delay_seconds:g} s"
    yield from (f"note: {note}" for note in suite.notes)
    for case in suite.cases:
        yield from _case_lines(case)


def _case_lines(case: Case) -> Iterator[str]:
    written = f"{case.place.file}:{case.place.line}"
    yield f"case {case.id} ({written})" + (" critical" if case.critical else "")
    yield from (f"  {message['role']}: {_shown(message)}" for message in case.messages)
    for name in ("inputs", "expected", "context", "threshold", "tool_results", "metadata"):
        if value := getattr(case, name):
            yield f"  {name}: {value}"
    if case.max_turns != 8:
        yield f"  max_turns: {case.max_turns}"
    for check in case.checks:
        yield from _check_lines(check, "  ")


def _shown(message: object) -> str:
    assert isinstance(message, dict)
    rest = {key: value for key, value in message.items() if key not in ("role", "content")}
    return f"{message.get('content')!r}" + (f" {rest}" if rest else "")


def _check_lines(check: CheckSpec, indent: str) -> Iterator[str]:
    name = f"not {check.type}" if check.negated else check.type
    settings = "".join(f", {key} {value}" for key in _SETTINGS if (value := getattr(check, key)) not in (None, 1.0))
    yield f"{indent}check {name}: {check.value!r}{settings} (line {check.place.line})"
    for child in check.children:
        yield from _check_lines(child, f"{indent}  ")
