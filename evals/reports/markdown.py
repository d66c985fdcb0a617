"""The report for a pull request: one comment, which a later run finds by its marker and replaces."""

from collections.abc import Iterator, Sequence
from typing import Final

from evals.money import to_usd
from evals.reports.document import ratios
from evals.reports.junit import reason_of, telling_run
from evals.results import CaseResult, CaseRun, SuiteResult
from evals.verdict.verdict import ratio_sentence
from gateway.terminal import printable

_MOST_ROWS: Final = 20
_LONGEST_CELL: Final = 400
_ESCAPED: Final = {ord(mark): f"&#{ord(mark)};" for mark in "&<>\\`*_[]|~#!@"}
_MARKS: Final = {"passed": "✅", "failed": "❌", "too_few_cases": "⚠️"}


def marker(result: SuiteResult) -> str:
    """Return what the comment on this version and suite is found by, which no reader sees."""
    names = (result.agent, result.candidate.name, result.suite.name)
    return f"<!-- serinus eval {' '.join(map(_hidden, names))} -->"


def as_markdown(result: SuiteResult) -> str:
    """Return the report as text."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: SuiteResult) -> Iterator[str]:
    against = "" if result.stable is None else f" against {_cell(result.stable.name)}"
    yield marker(result)
    yield f"### {_MARKS[result.verdict.status]} {_cell(result.agent)}@{_cell(result.candidate.name)}{against}"
    yield ""
    yield _cell(result.verdict.sentence, longest=2_000)
    yield ""
    yield from _notes(result.suite.notes)
    yield from _table("Newly failing", [each for each in result.results if each.pair.newly_fails])
    yield from _table("Critical and not passed", _critical(result))
    yield from _table("Fixed", [each for each in result.results if each.pair.newly_passes])
    yield from _table("Undecided", [each for each in result.results if None in each.pair.candidate])
    if result.stable is not None:
        yield "; ".join(ratio_sentence(name, found) for name, found in ratios(result).items()) + "."
    repeats = "" if result.repeat == 1 else f" × {result.repeat} repeats"
    yield f"{len(result.results)} cases{repeats}, {to_usd(result.spent_nano_usd):.4f} USD spent."
    if result.left_out:
        yield f"{result.left_out} cases were not asked: the verdict was certain before."


def _notes(notes: Sequence[str]) -> Iterator[str]:
    """Yield what reviewers should know of the suite, as a list."""
    yield from (f"- {_cell(note, longest=1_000)}" for note in notes[:_MOST_ROWS])
    if notes:
        yield ""


def _critical(result: SuiteResult) -> list[CaseResult]:
    return [each for each in result.results if each.case.critical and not each.pair.passes_always]


def _table(title: str, found: Sequence[CaseResult]) -> Iterator[str]:
    """Yield a table of cases with the answers of both versions; nothing where there are none."""
    if not found:
        return
    yield f"**{title}: {len(found)}**"
    yield ""
    yield "| case | why | this version | stable |"
    yield "|---|---|---|---|"
    for each in found[:_MOST_ROWS]:
        ours = telling_run(each.candidate)
        why = "" if ours is None else reason_of(ours)
        cells = (each.case.id, why, _text(ours), _text(telling_run(each.stable)))
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    if len(found) > _MOST_ROWS:
        yield f"| … and {len(found) - _MOST_ROWS} more | | | |"
    yield ""


def _text(run: CaseRun | None) -> str:
    return "" if run is None or run.answer is None else run.answer.text


def _cell(text: str, longest: int = _LONGEST_CELL) -> str:
    """Return text that stays one cell, and is shown as it is: a model's answer must not write into the comment."""
    line = " ".join(printable(text).split())
    shown = line if len(line) <= longest else f"{line[:longest]}…"
    return shown.translate(_ESCAPED)


def _hidden(text: str) -> str:
    return " ".join(printable(text).replace("--", "- -").replace(">", "").split())
