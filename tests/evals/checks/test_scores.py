"""The score of a case from those of its checks."""

import pytest

from evals.checks.scores import CaseScore, not_decided, summed
from tests.evals.checks.builders import check

YES, NO, OPEN = CaseScore(True, 1.0, "yes"), CaseScore(False, 0.0, "no"), not_decided("the judge is down")
A, B = check("contains", "a"), check("contains", "b")


def test_a_failure_is_a_failure_whatever_else_is_undecided() -> None:
    """An open check could only make it worse."""
    found = summed([(A, NO), (B, OPEN)], None)
    assert (found.passed, found.undecided, found.reason) == (False, False, "no")


def test_a_case_is_undecided_when_an_open_check_could_fail_it() -> None:
    """The reason is the open check's."""
    found = summed([(A, YES), (B, OPEN)], None)
    assert (found.passed, found.undecided, found.reason) == (False, True, "the judge is down")


@pytest.mark.parametrize(
    ("threshold", "passed", "undecided"), [(0.5, True, False), (0.6, False, True), (1.1, False, False)]
)
def test_a_threshold_decides_when_the_open_checks_cannot_change_it(
    threshold: float, passed: bool, undecided: bool
) -> None:
    """Reached without them, or out of reach with them."""
    found = summed([(A, YES), (B, OPEN)], threshold)
    assert (found.passed, found.undecided) == (passed, undecided)


def test_a_failure_without_a_reason_is_a_failure() -> None:
    """A script that says nothing does not let its case pass."""
    assert not summed([(A, CaseScore(False, 0.0, ""))], None).passed


def test_each_check_is_named_as_it_was_written() -> None:
    """By its metric where there is one."""
    specs = [check("not-contains", "a", metric="tone"), check("not-contains", "b", weight=2.0)]
    found = summed([(spec, YES) for spec in specs], None)
    assert [(one.name, one.weight, one.metric) for one in found.named] == [
        ("tone", 1.0, "tone"),
        ("not-contains", 2.0, None),
    ]
    assert [(metric.name, metric.value) for metric in found.metrics] == [("tone", 1.0)]
