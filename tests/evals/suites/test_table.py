"""Cells of promptfoo's tables: what an expectation stands for."""

import pytest
from pydantic import JsonValue

from evals.cases import SuiteError
from evals.suites.promptfoo.table import expectation
from gateway.config.nodes import Node


def written(cell: str) -> JsonValue:
    """Return the assertion that the cell stands for, as plain JSON."""
    found: JsonValue = expectation(Node(cell, "t.csv", 2, 1)).plain()  # type: ignore[assignment]
    return found


@pytest.mark.parametrize(
    ("cell", "assertion"),
    [
        ("Paris", {"type": "equals", "value": "Paris"}),
        ("note: this is no type", {"type": "equals", "value": "note: this is no type"}),
        ("contains: Paris ", {"type": "contains", "value": "Paris"}),
        ("not-contains:Paris", {"type": "not-contains", "value": "Paris"}),
        ("is-json", {"type": "is-json"}),
        ("is-json: {}", {"type": "is-json", "value": " {}"}),
        ("not-is-refusal", {"type": "not-is-refusal"}),
        ("contains-any: a,  b ,c", {"type": "contains-any", "value": ["a", "b", "c"]}),
        ('icontains-all:"a, b","say ""x""","back\\"slash"', None),
        ("similar:Hello there", {"type": "similar", "value": "Hello there", "threshold": 0.8}),
        ("similar(0.6):Hello", {"type": "similar", "value": "Hello", "threshold": 0.6}),
        ("similar:cosine:Hi", {"type": "similar", "value": "cosine:Hi", "threshold": 0.8}),
        ("levenshtein(5): x", {"type": "levenshtein", "value": "x", "threshold": 5.0}),
        ("starts-with:Yes", {"type": "starts-with", "value": "Yes", "threshold": 0.75}),
        ("latency(2000)", {"type": "latency", "threshold": 2000.0}),
        ("contains(0.5):x", {"type": "contains", "value": "x"}),
        ("regex:a:b", {"type": "regex", "value": "a:b"}),
        ("grade: is kind", {"type": "llm-rubric", "value": " is kind"}),
        ("llm-rubric:is kind", {"type": "llm-rubric", "value": "is kind"}),
        ("fn:output.length", {"type": "javascript", "value": "output.length"}),
        ("eval: x", {"type": "javascript", "value": "x"}),
        ("file://check.js", {"type": "javascript", "value": "file://check.js"}),
        ("python: len(output)", {"type": "python", "value": "len(output)"}),
        ("python:file://a.py", {"type": "python", "value": "file://a.py"}),
        ("file://a.py:check", {"type": "python", "value": "file://a.py:check"}),
        ("trajectory:tool-used:lookup", {"type": "trajectory:tool-used", "value": "lookup"}),
    ],
)
def test_a_cell_is_an_assertion(cell: str, assertion: JsonValue) -> None:
    """A type before a colon, a threshold in brackets; all else is the text that the answer must equal."""
    if assertion is None:
        assertion = {"type": "icontains-all", "value": ["a, b", 'say "x"', 'back"slash']}
    assert written(cell) == assertion


@pytest.mark.parametrize("cell", ['contains-any:"a', 'contains-any:"a" b', 'contains-any:"' + '\\"' * 20_000])
def test_quotes_must_be_closed(cell: str) -> None:
    """A long cell that never closes takes no longer than its length."""
    with pytest.raises(SuiteError, match=r"t\.csv:2: "):
        written(cell)
