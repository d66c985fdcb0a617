"""The simulated suites whose tables the documentation quotes."""

import random

from bench.suites import REPEATS, false_refusals, power, refused_by_repeats, simulate, suite_of


def test_a_rule_that_trusts_few_repeats_would_refuse_equal_versions() -> None:
    """Why the verdict gathers evidence instead: with flaky cases it is wrong far more often than it may be."""
    assert simulate(300, 1, 0.2, rule=refused_by_repeats).share > 0.25
    assert simulate(300, 1, 0.2).share <= 0.05


def test_a_broken_case_passes_less_often_with_the_new_version_alone() -> None:
    """A share of the cases is broken, another is flaky for both versions alike."""
    cases = suite_of(40, 0.25, 0.1, 0.5, random.Random(1))
    assert sum(case.candidate < case.stable for case in cases) == 4
    assert sum(case.stable < 1 for case in cases) == 10


def test_the_tables_have_a_line_for_each_setting() -> None:
    """Few suites are enough to make them."""
    assert len(false_refusals(4, 1)) == 2 + 3 * len(REPEATS) and len(power(2, 1)) == 2 + 2 * 4 * len(REPEATS)
