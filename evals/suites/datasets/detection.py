"""The dialect of a dataset: recognised by the keys of its rows, refused where these leave it open."""

from collections.abc import Iterator, Mapping
from typing import Final

from evals.cases import Case
from evals.suites.cases_by_id import bounded
from evals.suites.datasets import deepeval, fine_tuning, inspect_ai, openai_evals, ragas, tracing_tools
from evals.suites.datasets.rows import RowDialect
from evals.suites.values import SuiteFindings, check_keys, refusal, shown_keys
from gateway.config.nodes import Node

DIALECTS: Final[tuple[RowDialect, ...]] = (
    openai_evals.SAMPLES,
    openai_evals.ITEMS,
    deepeval.GOLDENS,
    deepeval.CONVERSATIONS,
    ragas.SAMPLES,
    tracing_tools.LANGSMITH,
    tracing_tools.LANGFUSE,
    tracing_tools.BRAINTRUST,
    inspect_ai.SAMPLES,
    fine_tuning.EXAMPLES,
)
WRAPPERS = ("data", "examples", "goldens", "items", "rows", "samples")  # what an export's rows lie in
_BESIDE = ("meta", "name", "description", "id", "has_more", "next_cursor")
_HINT = "name the dataset in a suite of yours: `cases: file://…`, `defaults: {ask: '{{column}}'}`"


def rows_of(document: Node) -> tuple[Node, ...]:
    """Return the rows of a file: its list, the list that an export wraps, or its one mapping. Raises SuiteError."""
    rows = document.items
    if document.entries:
        wrapped = [each for key, each in document.entries.items() if key in WRAPPERS and each.items]
        is_export = len(wrapped) == 1 and document.entries.keys() <= {*WRAPPERS, *_BESIDE}
        rows = wrapped[0].items if is_export else (document,)
    if not rows or not all(isinstance(row.value, Mapping) for row in rows):
        wrong = next((row for row in rows if not isinstance(row.value, Mapping)), document)
        raise refusal(wrong, "a file of cases holds a list of mappings (key: value), one for each case")
    return rows


def dialect_of(row: Node) -> RowDialect:
    """Return the dialect of a row. Raises SuiteError where its keys fit none, or several."""
    keys = frozenset(row.entries)
    fitting = [each for each in DIALECTS if each.is_marked(keys)]
    whole = [each for each in fitting if keys <= each.known | each.refused.keys()]
    if len(whole) == 1:
        return whole[0]
    if not whole and len(fitting) == 1:
        return fitting[0]  # whose unknown keys are then named
    if not fitting:
        raise refusal(row, f"no dialect has the keys {shown_keys(keys)}; {_HINT}")
    names = shown_keys([each.name for each in whole or fitting])
    raise refusal(row, f"the keys {shown_keys(keys)} fit several dialects ({names}); {_HINT}")


def row_cases(document: Node, findings: SuiteFindings) -> tuple[list[Case], str]:
    """Return the cases of a dataset, and how their answers are checked. Notes what is wrong with each row."""
    rows = rows_of(document)
    dialect = dialect_of(rows[0])
    return bounded(_read_rows(rows, dialect, findings)), dialect.note


def _read_rows(rows: tuple[Node, ...], dialect: RowDialect, findings: SuiteFindings) -> Iterator[Case]:
    for row in rows:
        with findings.collecting():
            if not dialect.is_marked(frozenset(row.entries)):
                raise refusal(
                    row, f"the keys {shown_keys(row.entries)} are not those of {dialect.name}, as in the first row"
                )
            check_keys(row, dialect.known, dialect.refused, findings)
            yield dialect.read(row)


def dialect_name(document: Node) -> str:
    """Return the name of a dataset's dialect. Raises SuiteError."""
    return dialect_of(rows_of(document)[0]).name
