"""Max-min fairness of a budget among callers."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.overload.shares import fair_level


def test_small_demands_are_met_in_full() -> None:
    """Two that ask for little get it; two that ask for much share what is left."""
    assert fair_level(100.0, [10.0, 20.0, 500.0, 900.0]) == 35.0


def test_equal_demands_share_equally() -> None:
    """Nobody gets more for asking more."""
    assert fair_level(90.0, [100.0, 200.0, 300.0]) == 30.0


def test_nobody_asks() -> None:
    """Whoever comes first may have all."""
    assert fair_level(50.0, []) == 50.0


def test_demands_within_the_budget_bind_nobody() -> None:
    """The level is above every demand, by what is left."""
    assert fair_level(100.0, [10.0, 20.0]) == 90.0


@given(st.floats(1, 1e4), st.lists(st.floats(0, 1e4), min_size=1, max_size=30))
def test_what_is_granted_stays_within_the_budget(budget: float, demands: list[float]) -> None:
    """The granted parts add up to the budget where more is asked for, and to what is asked for otherwise."""
    granted = sum(min(demand, fair_level(budget, demands)) for demand in demands)
    assert abs(granted - min(budget, sum(demands))) < 1e-6 * max(1.0, budget)
