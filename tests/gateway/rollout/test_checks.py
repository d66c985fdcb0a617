"""Which calls absolute limits check: of each unit one in ten seconds."""

from gateway.rollout.checks import CHECK_SECONDS, Checks


def look(checks: Checks, agent: str, unit: str, now: float) -> bool:
    """Whether that call is looked at."""
    is_due = checks.is_due(agent, unit, now)
    if is_due:
        checks.note(agent, unit)
    return is_due


def test_a_unit_is_looked_at_once_in_ten_seconds() -> None:
    """By agent; whoever calls without pause weighs no more than others."""
    checks = Checks()
    assert [look(checks, "a", "u", 5.0 + second) for second in range(21)] == [second % 10 == 0 for second in range(21)]
    assert look(checks, "b", "u", 25.0) and look(checks, "a", "v", 25.0)


def test_more_units_than_are_kept_are_not_looked_at() -> None:
    """Memory is bounded; the next ten seconds begin anew."""
    checks = Checks(most=3)
    assert [look(checks, "a", str(unit), 1.0) for unit in range(5)] == [True] * 3 + [False] * 2
    assert look(checks, "a", "4", 1.0 + CHECK_SECONDS)


def test_a_unit_stays_due_until_a_call_is_looked_at() -> None:
    """A call that says nothing takes no other one's turn."""
    checks = Checks()
    assert checks.is_due("a", "u", 1.0) and checks.is_due("a", "u", 2.0) and look(checks, "a", "u", 3.0)
    assert not checks.is_due("a", "u", 4.0)
