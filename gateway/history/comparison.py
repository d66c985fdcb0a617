"""Comparison of what two versions' conversations cost, with the sentence that says it."""

from collections.abc import Sequence

from gateway.history.costs_view import ComparisonView
from gateway.history.forecast import DAYS_OF_A_MONTH, LEAST_CONVERSATIONS, CostChange, Estimate, compare
from gateway.store.costs import DAY_SECONDS, ConversationCosts, DayCosts

_DIGITS = 6


def comparison_view(agent: str, stable: str, canary: str, days: Sequence[DayCosts], now: float) -> ComparisonView:
    """Return how the canary's conversations compare with stable's, over the days on which both served."""
    before, after = ConversationCosts(), ConversationCosts()
    for day in days:
        of_stable, of_canary = day.conversations.get(stable), day.conversations.get(canary)
        if of_stable and of_canary and of_stable.count and of_canary.count:
            before.merge(of_stable)
            after.merge(of_canary)
    change = compare(before, after)
    if change is None:
        few = (
            f"{canary} against {stable}: too few conversations to compare, {after.count} and {before.count} "
            f"on the same days; {LEAST_CONVERSATIONS} of each are needed"
        )
        return ComparisonView(agent, stable, canary, None, None, None, None, None, None, few)
    monthly = _monthly(change, days, int(now // DAY_SECONDS))
    change_value, change_low, change_high = map(_rounded, _numbers(change.relative))
    usd, usd_low, usd_high = map(_rounded, _numbers(monthly) if monthly else (None, None, None))
    return ComparisonView(
        agent=agent,
        stable=stable,
        canary=canary,
        change=change_value,
        change_low=change_low,
        change_high=change_high,
        monthly_usd=usd,
        monthly_low_usd=usd_low,
        monthly_high_usd=usd_high,
        sentence=_sentence(stable, canary, change, monthly),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, _DIGITS)


def _monthly(change: CostChange, days: Sequence[DayCosts], today: int) -> Estimate | None:
    """Return what a month of all conversations costs more on the canary, at the traffic of the whole days."""
    counts = {day.day: sum(costs.count for costs in day.conversations.values()) for day in days if day.day < today}
    if not counts or not sum(counts.values()):
        return None
    conversations = sum(counts.values()) / (today - min(counts)) * DAYS_OF_A_MONTH
    return Estimate(*(conversations * usd for usd in _numbers(change.difference_usd)))


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _sentence(stable: str, canary: str, change: CostChange, monthly: Estimate | None) -> str:
    relative = change.relative
    interval = f"({_percent(relative.low)}…{_percent(relative.high)})"
    said = f"{canary} against {stable}: {_percent(relative.value)} % {interval} a conversation"
    if monthly is not None:
        said += f"; at full weight {_usd(monthly.value)} ({_usd(monthly.low)}…{_usd(monthly.high)}) a month"
    return f"{said}; no difference is shown" if relative.low <= 0.0 <= relative.high else said


def _percent(share: float) -> str:
    return _signed(f"{abs(share) * 100:.0f}", share)


def _usd(amount: float) -> str:
    digits = 0 if abs(amount) >= 10 else 2
    return _signed(f"${abs(amount):,.{digits}f}", amount)


def _signed(text: str, number: float) -> str:
    if not text.strip("$0.,"):
        return text
    return f"\N{MINUS SIGN}{text}" if number < 0 else f"+{text}"
