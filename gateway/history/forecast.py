"""Estimates of costs with their intervals: of a month from its days, and of two versions from their conversations.

The intervals are normal approximations at 95 %. Nothing is estimated from few days or few conversations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.store.costs import SPREAD_GAMMA, ConversationCosts

LEAST_DAYS = 7
LEAST_CONVERSATIONS = 50  # of each version: costs are skewed, and a mean of few is no normal variable
DAYS_OF_A_MONTH = 365.25 / 12
_NORMAL = 1.96
_NANO = 1e9
_MICRO = 1e6


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate with its interval."""

    value: float
    low: float
    high: float


def month_total(before: float, today: float, whole_days: Sequence[float], days_left: int) -> Estimate | None:
    """Return what a month will have cost, in the unit of its days; None from too few whole days.

    `before` is what its earlier days have cost, `today` what the running day has until now, `days_left` how many come
    after it. Days are taken to vary on their own, around one mean.
    """
    count = len(whole_days)
    if count < LEAST_DAYS:
        return None
    mean = sum(whole_days) / count
    variance = sum((day - mean) ** 2 for day in whole_days) / (count - 1)
    ahead = days_left + 1
    half = (_NORMAL + 2.8 / (count - 1)) * math.sqrt(variance * (ahead + ahead**2 / count))  # near Student's quantile
    spent = before + today
    value = before + max(today, mean) + days_left * mean
    return Estimate(value, max(spent, value - half), value + half)


@dataclass(frozen=True, slots=True)
class CostChange:
    """The costs of a canary's conversations against stable's: the relative change, and the difference in US dollars."""

    relative: Estimate
    difference_usd: Estimate


def compare(stable: ConversationCosts, canary: ConversationCosts) -> CostChange | None:
    """Return how the mean cost of a conversation differs; None where one of them has too few, or costs nothing.

    The ratio of two means, by the delta method on its logarithm (Fieller's interval in the limit of many).
    """
    if min(stable.count, canary.count) < LEAST_CONVERSATIONS:
        return None
    before, after = mean_usd(stable), mean_usd(canary)
    if before <= 0.0 or after <= 0.0:
        return None
    of_before, of_after = _variance_of_mean(stable), _variance_of_mean(canary)
    ratio, spread = after / before, math.sqrt(of_before / before**2 + of_after / after**2)
    half = _NORMAL * math.sqrt(of_before + of_after)
    return CostChange(
        Estimate(ratio - 1, ratio * math.exp(-_NORMAL * spread) - 1, ratio * math.exp(_NORMAL * spread) - 1),
        Estimate(after - before, after - before - half, after - before + half),
    )


def mean_usd(costs: ConversationCosts) -> float:
    """Return what a conversation costs on average; 0 where none began."""
    return costs.nano_usd / _NANO / costs.count if costs.count else 0.0


def _variance_of_mean(costs: ConversationCosts) -> float:
    """Return the variance of the mean cost, in USD²."""
    mean = mean_usd(costs)
    variance = max(0.0, costs.micro_squares / _MICRO**2 / costs.count - mean**2)
    return variance / (costs.count - 1)


def quantile_usd(costs: ConversationCosts, share: float) -> float | None:
    """Return a quantile of what conversations cost, from their histogram, whose buckets are 17 % wide."""
    counts = {bucket: count for bucket, count in costs.histogram.items() if count > 0}
    rank, seen = share * (sum(counts.values()) - 1), 0
    for bucket in sorted(counts):
        if seen + counts[bucket] > rank:
            within = (rank - seen + 0.5) / counts[bucket]
            return float(SPREAD_GAMMA ** (bucket - 1 + within) / _NANO)
        seen += counts[bucket]
    return None
