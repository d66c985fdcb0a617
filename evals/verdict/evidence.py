"""Evidence that a version does worse, from the cases on which it and stable differ.

While the version is no worse, a differing case is as likely the better as the worse one for it, whatever each case's
own rate of passing: the sign test. A bet of λ on "worse" gains the factor 1 + λ or 1 - λ, and E is the mean over all λ
in 0…1, so it is an e-value at each look: P(E ever reaches 1/α) <= α. Sources: Ville (1939); Robbins, Ann. Math. Stat.
41 (1970), on mixtures; Ramdas et al., Statistical Science 38 (2023), "Game-theoretic statistics and safe anytime-valid
inference".
"""

import math
from collections.abc import Sequence
from functools import lru_cache

_LARGEST_TERM = 1e250  # before the sum of a double overflows, it is scaled down
_NEGLIGIBLE = 1e-18  # of the sum, once the terms fall


@lru_cache(maxsize=4096)  # a suite asks for the same few counts over and over
def log_e_value(worse: int, better: int) -> float:
    """Return ln E for so many cases that are worse, and better: E = ∫₀¹ (1+λ)^worse (1-λ)^better dλ.

    Integration by parts gives E = Σ_i t_i / (better + 1) with t_0 = 1 and t_{i+1} = t_i (worse - i)/(better + 2 + i):
    positive terms alone, so nothing cancels. They rise, then fall, so the sum ends early.
    """
    total, term, log_scale = 1.0, 1.0, 0.0
    for index in range(worse):
        ratio = (worse - index) / (better + 2 + index)
        term *= ratio
        total += term
        if ratio < 1.0 and term < total * _NEGLIGIBLE * (1.0 - ratio):
            break
        if total > _LARGEST_TERM:
            total, term, log_scale = total / _LARGEST_TERM, term / _LARGEST_TERM, log_scale + math.log(_LARGEST_TERM)
    return math.log(total) + log_scale - math.log(better + 1)


def log_mean(logs: Sequence[float]) -> float:
    """Return ln of the mean of e-values that are given as logarithms: a mean of e-values is one."""
    top = max(logs)
    return top + math.log(sum(math.exp(value - top) for value in logs) / len(logs))


def flips_needed(log_bar: float, better: int = 0) -> int:
    """Return how many cases must be worse, beside those that are better, until ln E reaches the bar."""
    worse = 0
    while log_e_value(worse, better) < log_bar:
        worse += 1
    return worse
