"""The report for a person at a terminal, and the line that shows how far a run has come."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TextIO

from evals.money import to_usd
from evals.reports.document import ratios
from evals.reports.junit import reason_of
from evals.results import CaseResult, SuiteResult
from evals.running.suite_run import Progress
from evals.verdict.verdict import ratio_sentence
from gateway.terminal import is_terminal, printable

_MOST_SHOWN: Final = 12
_BAR: Final = 20
_SECONDS_BETWEEN: Final = 10.0


def progress_line(progress: Progress) -> str:
    """Return how far the run has come, in one line."""
    filled = _BAR * progress.done // max(progress.cases, 1)
    bar = "█" * filled + "░" * (_BAR - filled)
    confirming = f"  asking {progress.confirming} again" if progress.confirming else ""
    found = f"  {progress.failed} not passed, {progress.worse} worse than stable"
    return f"{bar} {progress.done}/{progress.cases}{found}  {to_usd(progress.spent_nano_usd):.4f} USD{confirming}"


def shown_progress(output: TextIO, name: str = "") -> Callable[[Progress], None]:
    """Return what shows progress after a name: one line that changes at a terminal, else a line now and then."""
    is_live = is_terminal(output)
    shown = -1

    def show(progress: Progress) -> None:
        nonlocal shown
        tenth = 10 * progress.done // max(progress.cases, 1)
        if is_live:
            end = "\n" if progress.done == progress.cases and not progress.confirming else ""
            output.write(f"\r\x1b[K{name}{progress_line(progress)}{end}")
        elif tenth != shown:
            shown = tenth
            output.write(f"{name}{progress_line(progress)}\n")
        output.flush()

    return show


def shown_waits(output: TextIO) -> Callable[[str], None]:
    """Return what says that a provider is waited for, now and then."""
    next_at = 0.0

    def show(sentence: str) -> None:
        nonlocal next_at
        if (now := time.monotonic()) >= next_at:
            next_at = now + _SECONDS_BETWEEN
            output.write(f"{printable(sentence)}\n")
            output.flush()

    return show


def text_lines(result: SuiteResult) -> Iterator[str]:
    """Yield the lines of the report, the verdict first."""
    yield result.verdict.sentence
    yield from (f"note: {note}" for note in result.suite.notes)
    shown = [each for each in result.results if not each.pair.passes_always]
    for each in shown[:_MOST_SHOWN]:
        yield from _case_lines(each)
    if len(shown) > _MOST_SHOWN:
        yield f"… and {len(shown) - _MOST_SHOWN} more cases not passed; --output report.md has all"
    if result.stable is not None:
        yield "; ".join(ratio_sentence(name, found) for name, found in ratios(result).items())
    cases = "1 case" if len(result.results) == 1 else f"{len(result.results)} cases"
    yield f"{cases}, {to_usd(result.spent_nano_usd):.4f} USD spent"


def _case_lines(result: CaseResult) -> Iterator[str]:
    case, bad = result.case, next(run for run in result.candidate if run.outcome is not True)
    mark = "critical " if case.critical else ""
    passed = sum(run.outcome is True for run in result.candidate)
    yield f"  {mark}{case.id} ({case.place.file}:{case.place.line}): {passed} of {len(result.candidate)} passed"
    yield from (f"      {line}" for line in reason_of(bad).split("\n")[:3])
