"""The values that a suite is made of."""

from evals.cases import SourceLine, SuiteError


def test_a_suite_error_names_every_problem_once_in_the_order_of_lines() -> None:
    """All of them are there, each as `file:line: sentence`."""
    late, early = SourceLine("support.yaml", 12), SourceLine("support.yaml", 3)
    error = SuiteError([late.problem("not so"), early.problem("no `x`", "tests.0"), late.problem("not so")])
    assert str(error) == "support.yaml:3: tests.0: no `x`\nsupport.yaml:12: not so"


def test_the_text_of_very_many_problems_ends() -> None:
    """All are in `problems`; a terminal gets the first thousand."""
    error = SuiteError([SourceLine("rows.jsonl", line).problem("not so") for line in range(1, 1_502)])
    assert len(error.problems) == 1_501
    assert str(error).splitlines()[999:] == ["rows.jsonl:1000: not so", "and 501 more"]
