"""Regular expressions of JavaScript, bounded in time."""

import pytest

from evals.checks.checkable import Checkable
from evals.checks.expressions import BadExpression, SearchTooLong, compile_expression, is_found
from evals.checks.texts import check_regex
from tests.evals.checks.builders import NoGraders, answer_of, case_of, check


def test_an_expression_that_never_ends_is_stopped() -> None:
    """Catastrophic backtracking takes the time that it is given, and no more."""
    with pytest.raises(SearchTooLong, match=r"more than 0\.05 s"):
        is_found(r"^(a|aa)+$", "a" * 60 + "b", seconds=0.05)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("(?i)hello", r"write \(\?i:…\)"),
        ("(?P<name>a)", "JavaScript has no group"),
        ("(?>a)", "JavaScript has no group"),
        ("a**", "nothing to repeat"),
        ("a{1}{2}", "nothing to repeat"),
        ("a*+", "nothing to repeat"),
        ("(a", "not closed"),
        ("a)", "too many"),
        ("[a", "not closed"),
        ("[b-a]", "out of order"),
        ("a{3,2}", "from more to fewer"),
        ("\\", "backslash at the end"),
        (r"(?<n>a)\k", "without a name"),
        ("x" * 10_001, "longer than"),
        ("a{99999999999}", "more than 100,000"),
        ("(?:(?:a{100}){100}){100}", "more than 100,000"),
        ("(" * 4999 + ")" * 4999, "nested too deep"),
    ],
)
def test_what_is_no_expression_of_javascript_is_named(pattern: str, hint: str) -> None:
    """Also what Python's dialect would take for something else."""
    with pytest.raises(BadExpression, match=hint):
        compile_expression(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"(?i:hello) W", "HELLO W", True),
        (r"(?i:hello) w", "HELLO W", False),
        (r"\u{1F600}", "😀", True),
        (r"^\P{Lu}$", "é", True),
        (r"[\p{Ll}_]", "É_", True),
        (r"^[^\S\n]+$", " \t", True),
        (r"[a\d-]", "-", True),
        (r"(a)\123456789012345", "aS", False),
        (r"x{2}?y", "xxy", True),
        (r"[\cA-\cC]", "\x02", True),
    ],
)
def test_expressions_with_the_flag_u_match_characters(pattern: str, text: str, found: bool) -> None:
    """As those of JSON schemas do."""
    assert is_found(pattern, text, unicode=True) is found


def test_a_check_that_takes_too_long_is_undecided() -> None:
    """It neither passes nor fails the version."""
    spec = check("regex", r"^(a|a)*$")
    found = check_regex(Checkable(spec, case_of(spec), answer_of("a" * 60 + "b"), NoGraders()), seconds=0.05)
    assert found.undecided and not found.passed
