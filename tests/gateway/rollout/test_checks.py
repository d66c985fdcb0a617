"""Which calls an absolute limit looks at: of each unit one in ten seconds."""

from gateway.rollout.checks import CHECK_SECONDS, Checks


def test_a_unit_is_looked_at_once_in_ten_seconds() -> None:
    """By agent; whoever calls without pause weighs no more than others."""
    checks = Checks()
    assert [checks.is_due("a", "u", 5.0 + second) for second in range(21)] == [second % 10 == 0 for second in range(21)]
    assert checks.is_due("b", "u", 25.0) and checks.is_due("a", "v", 25.0)


def test_more_units_than_are_kept_are_not_looked_at() -> None:
    """Memory is bounded; the next ten seconds begin anew."""
    checks = Checks(most=3)
    assert [checks.is_due("a", str(unit), 1.0) for unit in range(5)] == [True] * 3 + [False] * 2
    assert checks.is_due("a", "4", 1.0 + CHECK_SECONDS)
