"""The dialect of a file, recognised by its keys and never guessed, and the suite that it holds."""

from dataclasses import replace
from pathlib import Path

from evals.cases import SourceLine, Suite, SuiteError
from evals.suites.cases_by_id import with_ids
from evals.suites.check_specs import CheckProblems, no_problems, specs_of
from evals.suites.datasets.detection import dialect_name, row_cases, rows_of
from evals.suites.documents import read_document
from evals.suites.folder import SuiteFolder
from evals.suites.native import read_native
from evals.suites.promptfoo.config import CONFIG_KEYS, ROW_KEYS, read_config, read_test_file
from evals.suites.values import SuiteFindings, refusal, shown_keys
from gateway.config.nodes import Node

_TABLE_MARKS = (
    "__expected",
    "__metadata",
    "__threshold",
    "__metric",
    "__prefix",
    "__suffix",
    "__description",
    "__config",
)
_OWN_KEYS = frozenset({"vars", "assert"})  # of a test: no dataset has them


def read_suite(path: Path, check_problems: CheckProblems = no_problems) -> Suite:
    """Return the suite in a file. Raises SuiteError with everything in it that is wrong or not supported.

    `check_problems` says what is wrong with a check, and with those of its set: a name that nobody knows, a value that
    it cannot use.
    """
    folder = SuiteFolder(path)
    root = read_document(folder, Path(path.name), SourceLine(str(path), 0))
    suite = _suite(root, path, folder, check_problems)
    if not suite.cases:
        raise SuiteError([SourceLine(str(path), 0).problem("the suite has no cases")])
    problems = [problem for spec in specs_of(suite.cases) for problem in check_problems(spec)]
    if problems:
        raise SuiteError(problems)
    return replace(suite, files=folder.files(), patterns=folder.patterns())


def _suite(root: Node, path: Path, folder: SuiteFolder, check_problems: CheckProblems) -> Suite:
    keys = frozenset(root.entries)
    is_native, is_promptfoo = "cases" in keys, bool(CONFIG_KEYS & keys)
    if is_native and is_promptfoo:
        both = shown_keys(CONFIG_KEYS & keys)
        raise refusal(root, f"`cases` is of Serinus's own suites, {both} of promptfoo's; keep to one of them")
    if is_native:
        return read_native(root, path, folder, check_problems)
    if is_promptfoo:
        return read_config(root, path, folder)
    if _is_test_file(root, path):
        return read_test_file(root, path, folder)
    return _dataset(root, path, folder)


def _is_test_file(root: Node, path: Path) -> bool:
    """Return whether the file holds promptfoo's tests without a configuration."""
    first = next(iter(root.items), root)
    if path.suffix.lower() == ".csv":
        return any(key.startswith(_TABLE_MARKS) for key in first.entries)
    return bool(_OWN_KEYS & first.entries.keys()) and first.entries.keys() <= ROW_KEYS | {"$ref"}


def _dataset(root: Node, path: Path, folder: SuiteFolder) -> Suite:
    findings = SuiteFindings()
    if not rows_of(root)[0].entries:
        raise refusal(root, "the first row is empty")
    cases, note = row_cases(root, findings)
    findings.check()
    unchecked = sum(not case.checks for case in cases)
    notes = [note] if unchecked < len(cases) else []
    if unchecked:
        notes.append(f"{unchecked:,} of {len(cases):,} cases have no reference and no check: they pass with any answer")
    return Suite(path.stem, dialect_name(root), with_ids(cases), folder.digest(), notes=tuple(notes))
