"""Samples of Inspect: `input` and `target`. The check is that of its scorer `includes`: the answer holds a target."""

from typing import Final

from evals.cases import Case
from evals.suites.conversation import texts
from evals.suites.datasets.rows import RowDialect, any_of, cell_value, marks, question_of, row_case
from evals.suites.values import place_of, refusal
from gateway.config.nodes import Node

_SANDBOX = "no sandbox is started; a case has `tool_results` instead"


def _sample(row: Node) -> Case:
    target = cell_value(row.get("target"))
    if target is None or target.value is None:
        raise refusal(row, "`target` is empty")
    values = texts(target, "`target`")
    if not all(values):
        raise refusal(target, "a target is empty: every answer holds it")
    question = question_of(row, "input")
    checks = any_of("icontains", values, place_of(target))
    return row_case(row, cell_value(question) or question, values[0], checks)


SAMPLES: Final = RowDialect(
    "inspect",
    marks("input target"),
    frozenset({"id", "input", "target", "metadata"}),
    _sample,
    "samples of Inspect have no checks of their own: an answer must contain a target (scorer `includes`)",
    {
        "choices": "a question with choices is made by a solver; write the choices into the question",
        "sandbox": _SANDBOX,
        "files": _SANDBOX,
        "setup": _SANDBOX,
    },
)
