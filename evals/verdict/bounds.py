"""Bounds on the share of cases on which a version is worse, and on ratios of costs, for a fixed number of cases."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

CONFIDENCE = 0.95
MIN_RATIO_CASES = 5  # below this an interval of Student's t says nothing
_HALVINGS = 60  # of 0…1: to the last digits of a double


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """The version's total as a multiple of stable's over the same cases, with its 95 % interval.

    `low` and `high` are None where too few cases have both values.
    """

    ratio: float
    low: float | None
    high: float | None
    cases: int


def share_at_most(count: int, cases: int, confidence: float = CONFIDENCE) -> float:
    """Return the upper confidence bound of a share (0…1) of which `count` in `cases` were seen.

    One-sided and exact: the share at which so few, or fewer, are seen with probability 1 - confidence. Source: Clopper
    & Pearson, Biometrika 26 (1934).
    """
    if count >= cases:
        return 1.0
    low, high = count / cases, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, cases, middle) > 1 - confidence else (low, middle)
    return high


def cases_needed(margin: float, confidence: float = CONFIDENCE) -> int:
    """Return the least number of cases that can show a share of at most `margin`, when none of them is worse.

    (1 - margin)^n <= 1 - confidence: 59 cases for 5 %, 29 for 10 %. Source: the "rule of three" in its exact form,
    Hanley & Lippman-Hand, JAMA 249 (1983).
    """
    return math.ceil(math.log(1 - confidence) / math.log1p(-margin) - 1e-9)


def ratio_of_totals(pairs: Sequence[tuple[float, float]]) -> RatioInterval | None:
    """Return the ratio of the totals of (version, stable) over the cases that have both; None when stable's is zero.

    The interval is that of the logarithm, by linearisation, with Student's t for the number of cases. Source: Cochran,
    Sampling Techniques (1977), chapter 6.
    """
    n = len(pairs)
    mean, stable_mean = (fmean(side) if n else 0.0 for side in ([a for a, _ in pairs], [b for _, b in pairs]))
    if stable_mean <= 0.0:
        return None
    ratio = mean / stable_mean
    if n < MIN_RATIO_CASES or ratio <= 0.0:
        return RatioInterval(ratio, None, None, n)
    spread = sum((a / mean - b / stable_mean) ** 2 for a, b in pairs) / (n * (n - 1))
    reach = _students_t(n - 1) * math.sqrt(spread)
    return RatioInterval(ratio, ratio * math.exp(-reach), ratio * math.exp(min(reach, 700.0)), n)


def _at_most(count: int, cases: int, share: float) -> float:
    """Return P(at most `count` of `cases`) of a binomial, summed from its largest term down."""
    log_ways = math.lgamma(cases + 1) - math.lgamma(count + 1) - math.lgamma(cases - count + 1)
    log_term = log_ways + count * math.log(share) + (cases - count) * math.log1p(-share)
    term = total = math.exp(log_term)
    for successes in range(count, 0, -1):
        term *= successes / (cases - successes + 1) * (1 - share) / share
        total += term
        if term < total * 1e-17:
            break
    return total


def _students_t(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t. Source: Abramowitz & Stegun, 26.7.5; exact to 0.5 % from 4 on."""
    z = NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4
