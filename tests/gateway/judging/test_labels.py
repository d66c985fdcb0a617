"""`labels.jsonl`: read strictly, and compared judge by judge."""

import json

import pytest

from gateway.judging.agreement import Agreement
from gateway.judging.labels import LabelsError, by_judge, read_labels, sentence


def _line(human: float, judge: float | None, digest: str = "a" * 64) -> str:
    members = {"call_id": "c", "agent": "support", "version": "v1", "human": human, "judge": judge}
    return json.dumps({**members, "judge_digest": digest, "at": "2026-11-30T12:00:00Z", "comment": ""})


def test_labels_are_compared_by_judge() -> None:
    """Labels of two judges are never added up, and those without a verdict say nothing of one."""
    lines = [_line(1, 0.9), _line(1, 0.2), _line(0.4, 0.8), "", _line(0, 0), _line(1, None), _line(1, 1, "b" * 64)]
    first, second = by_judge(read_labels(lines, "labels.jsonl"))
    assert (first.agreement, first.passed) == (Agreement(1, 1, 1, 1), 2)
    assert (second.digest, second.agreement) == ("b" * 64, Agreement(both_pass=1))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "labels.jsonl:2: is no JSON"),
        ("[1]", "labels.jsonl:2: is no JSON object"),
        (_line(2, 1), "labels.jsonl:2: `human` must be a number from 0 to 1"),
        (_line(1, -1), "labels.jsonl:2: `judge` must be a number from 0 to 1"),
        ("[" * 50_000, "labels.jsonl:2: is no JSON"),
        (" " + "x" * 70_000, "labels.jsonl:2: the line is too long"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(line: str, problem: str) -> None:
    """Nothing is skipped."""
    with pytest.raises(LabelsError) as raised:
        read_labels([_line(1, 1), line], "labels.jsonl")
    assert str(raised.value).startswith(problem)


@pytest.mark.parametrize(
    ("agreement", "beginning"),
    [
        (Agreement(5, 1, 1, 5), "Too few labels to say: 12 calls"),
        (Agreement(20, 10, 10, 20), "The judge agrees too little with people: κ = 0.33"),
        (Agreement(40, 2, 3, 20), "The judge agrees with people: κ = 0.83"),
        (Agreement(both_pass=40, judge_only=10), "The judge agrees too little with people: κ = 0.00"),
    ],
)
def test_a_sentence_says_whether_it_acts(agreement: Agreement, beginning: str) -> None:
    """How far it agrees, and what that means for a guardrail."""
    assert sentence(agreement).startswith(beginning)
