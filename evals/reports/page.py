"""The report for a browser: one HTML file that needs nothing else."""

from collections.abc import Iterator
from html import escape
from typing import Final

from evals.money import to_usd
from evals.reports.document import ratios
from evals.reports.junit import reason_of, telling_run
from evals.results import CaseResult, CaseRun, SuiteResult
from evals.verdict.verdict import ratio_sentence
from gateway.terminal import printable

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th, td { border-bottom: 1px solid #8886; padding: .4rem .6rem; text-align: left; vertical-align: top }
td { overflow-wrap: anywhere; white-space: pre-wrap }
.passed { color: #1a7f37 } .failed { color: #cf222e } .too_few_cases, .undecided { color: #9a6700 }
@media (prefers-color-scheme: dark) {
  .passed { color: #3fb950 } .failed { color: #f85149 } .too_few_cases, .undecided { color: #d29922 }
}
""".strip()
_LONGEST: Final = 4_000  # characters of an answer
_ORDER: Final = {"worse": 0, "undecided": 1, "same": 2, "better": 3}
_OUTCOMES: Final = {True: "passed", False: "failed", None: "undecided"}


def as_html(result: SuiteResult) -> str:
    """Return the report as text."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: SuiteResult) -> Iterator[str]:
    against = "" if result.stable is None else f" against {result.stable.name}"
    title = escape(f"{result.agent}@{result.candidate.name}{against}")
    verdict = result.verdict
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{verdict.status}: {title}</title>'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<style>{_STYLE}</style>"
    yield f'<h1>{title}</h1><p class="{verdict.status}"><strong>{escape(verdict.sentence)}</strong></p>'
    yield from (f"<p>{escape(note)}</p>" for note in result.suite.notes)
    facts = [f"{len(result.results)} cases of {result.suite.name}", f"{to_usd(result.spent_nano_usd):.4f} USD spent"]
    if result.stable is not None:
        facts += [ratio_sentence(name, found) for name, found in ratios(result).items()]
    yield f"<p>{escape('; '.join(facts))}</p>"
    yield "<table><thead><tr><th>case<th>result<th>why<th>this version<th>stable</tr></thead><tbody>"
    for each in sorted(result.results, key=lambda one: _ORDER[one.pair.comparison]):
        yield _row(each)
    yield "</tbody></table></html>"


def _row(result: CaseResult) -> str:
    run, other = telling_run(result.candidate), telling_run(result.stable)
    outcome = _OUTCOMES[None if run is None else run.outcome]
    mark = " (critical)" if result.case.critical else ""
    place = f"{result.case.place.file}:{result.case.place.line}"
    why = "" if run is None or run.outcome else reason_of(run)
    cells = (f"{result.case.id}{mark}\n{place}", "", why, _text(run), _text(other))
    shown = [f"<td>{escape(printable(cell))}" for cell in cells]
    compared = dict.fromkeys((outcome, result.pair.comparison))  # what is undecided is so in both
    shown[1] = f'<td class="{outcome}">{", ".join(compared)}'
    return f"<tr>{''.join(shown)}</tr>"


def _text(run: CaseRun | None) -> str:
    text = "" if run is None or run.answer is None else run.answer.text or run.answer.error
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} […]"
