"""Goldens of DeepEval, in snake_case and in camelCase. What is recorded of an earlier answer is not used."""

import re
from typing import Final

from evals.cases import Case, CheckSpec
from evals.suites.conversation import reference
from evals.suites.datasets.rows import RowDialect, first, listed_texts, marks, question_of, row_case, tool_check
from evals.suites.values import place_of
from gateway.config.nodes import Node

_SNAKE = (
    *("input", "actual_output", "expected_output", "context", "retrieval_context", "tools_called", "expected_tools"),
    *("additional_metadata", "comments", "source_file", "name", "custom_column_key_values", "tags"),
)
_MARKS = (
    "expected_output",
    "actual_output",
    "retrieval_context",
    "expected_tools",
    "additional_metadata",
    "tools_called",
)
_SEPARATOR = ";"  # between the texts of a context in a table, as DeepEval writes it


def _camel(key: str) -> str:
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), key)


def _both(*keys: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for key in keys for each in (key, _camel(key))))


def _golden(row: Node) -> Case:
    expected = reference(first(row, *_both("expected_output")))
    metadata = next((key for key in _both("additional_metadata") if key in row.entries), "additional_metadata")
    tools = next((key for key in _both("expected_tools") if key in row.entries), "expected_tools")
    called = tool_check(row, tools, "name")
    judged = () if expected is None else (CheckSpec("factuality", place_of(row), value=expected),)
    return row_case(
        row,
        question_of(row, "input"),
        expected,
        (*judged, *called),
        context=_texts(row, "retrieval_context") or _texts(row, "context"),
        id_key="name",
        metadata_key=metadata,
    )


def _texts(row: Node, key: str) -> tuple[str, ...]:
    found = listed_texts(row, *_both(key))
    written = first(row, *_both(key))
    if written is not None and written.text is not None and len(found) == 1:
        return tuple(part.strip() for part in found[0].split(_SEPARATOR) if part.strip())
    return found


GOLDENS: Final = RowDialect(
    "deepeval",
    marks(*(f"input {key}" for key in _both(*_MARKS))),
    frozenset(_both(*_SNAKE)),
    _golden,
    "goldens of DeepEval have no checks of their own: answers are judged against `expected_output` (`factuality`)",
)
_CONVERSATIONAL = "a conversation with a simulated user is not driven; write it as messages"
CONVERSATIONS: Final = RowDialect(
    "deepeval-conversations",
    marks("scenario", "scenario turns", "expected_outcome", "expectedOutcome"),
    frozenset({*_both("scenario", "expected_outcome", "user_description", "chatbot_role", "turns"), *_both(*_SNAKE)}),
    _golden,
    "",
    dict.fromkeys(_both("scenario", "expected_outcome", "user_description", "chatbot_role", "turns"), _CONVERSATIONAL),
)
