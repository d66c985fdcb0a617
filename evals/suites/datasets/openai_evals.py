"""OpenAI Evals: samples with `input` and `ideal`, or items of a data source, `{"item": {…}}`.

A sample says nothing of its check. It is that of the class `Match`, the most common one: the answer begins with the
ideal answer, or with one of them.
"""

from typing import Final

from evals.cases import Case
from evals.suites.conversation import texts
from evals.suites.datasets.rows import RowDialect, any_of, marks, question_of, row_case
from evals.suites.values import mapping, place_of, refusal
from gateway.config.nodes import Node

_NOTE = "samples of OpenAI Evals have no checks of their own: an answer must begin with an ideal one (class `Match`)"
_ITEM_KEYS = (
    "`item` must have `input` (or `messages`) and `ideal`; for other names write a suite with `ask` and `expect`"
)


def _sample(row: Node) -> Case:
    ideal = row.get("ideal")
    if ideal is None or ideal.value is None:
        raise refusal(row, "`ideal` is empty")
    answers = tuple(each.strip() for each in texts(ideal, "`ideal`"))
    if not all(answers):
        raise refusal(ideal, "an ideal answer is empty: every answer begins with it")
    checks = any_of("starts-with", answers, place_of(ideal))
    return row_case(row, question_of(row, "input"), answers[0], checks)


def _item(row: Node) -> Case:
    item = row.entries["item"]
    entries = dict(mapping(item, "`item`"))
    if "messages" in entries and "input" not in entries:
        entries["input"] = entries.pop("messages")
    if "ideal" not in entries or not entries.keys() <= _SAMPLE_KEYS:
        raise refusal(item, _ITEM_KEYS)
    return _sample(Node(entries, row.file, row.line, row.column))


_SAMPLE_KEYS = frozenset({"input", "ideal", "id", "metadata"})
SAMPLES: Final = RowDialect("openai-evals", marks("input ideal"), _SAMPLE_KEYS, _sample, _NOTE)
ITEMS: Final = RowDialect(
    "openai-evals-items",
    marks("item"),
    frozenset({"item", "sample"}),
    _item,
    _NOTE,
    {"sample": "the version under test answers, not the file"},
)
