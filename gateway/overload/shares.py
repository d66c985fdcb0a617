"""Fair shares: what each caller is sure of when all of them together ask for too much. Pure."""

from collections.abc import Iterable


def fair_level(budget: float, demands: Iterable[float]) -> float:
    """Return the largest level L at which the sum of min(demand, L) stays within the budget (max-min fairness).

    Who asks for less than L gets all of it; the others get L each. All demands within the budget: what is left goes on
    top, to whoever turns out to ask for more.
    """
    left, waiting = budget, sorted(demands)
    for index, demand in enumerate(waiting):
        level = left / (len(waiting) - index)
        if demand > level:
            return level
        left -= demand
    return left + (waiting[-1] if waiting else 0.0)
