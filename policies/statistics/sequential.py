"""E-values: evidence against "the canary is no worse", valid however often one looks.

An e-value is a non-negative number whose mean is at most 1 while the null hypothesis holds, at whatever moment one
stops to look. So P(it ever reaches 1/alpha) <= alpha (Ville's inequality). All of them are computed from a few
integers that merge over replicas. Sources: Lindon & Malek, arXiv 2011.03567; Lindon, Sanden & Shirikian, 2205.14762;
Ramdas et al., 1810.08240.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

# Multiples of the boundary ratio that the mixture bets on: from "a little worse" to "everything fails".
GRID = (1.25, 1.6, 2.2, 3.5, 6.0, 12.0, 30.0, 100.0)

# Where between the limit and 1 the absolute guard's mixture places its bets.
ABSOLUTE_GRID = (0.1, 0.25, 0.5, 0.75, 0.95, 0.999)

_LARGEST_PROBABILITY = 0.99
_LARGEST_EXPONENT = 700.0  # exp() of more overflows a double

Gains = tuple[tuple[float, float], ...]  # of each bet


def ratio_e_value(canary: float, stable: float, weight: float, ratio: float, bets: Sequence[float] = GRID) -> float:
    """T1: evidence that the canary's rate of bad events is more than `ratio` times stable's.

    `canary` and `stable` are summed badness (fractional is fine), `weight` the canary's true share of the traffic in
    0…1. The share alone says how bad events fall if both arms are alike, so the number of good calls is not needed and
    an outage of both arms is no evidence. With a weight of 0 or 1 there is nothing to compare: 1. `bets` are the
    multiples of `ratio` that the mixture bets on.
    """
    return strata_e_value(((canary, stable, weight),), ratio, bets)


def strata_e_value(strata: Iterable[tuple[float, float, float]], ratio: float, bets: Sequence[float] = GRID) -> float:
    """T1 over units whose arms were drawn by different weights: of each stratum the canary's and stable's badness, and
    the weight.

    Each bet is made on all strata, and each event gains by its own stratum's share: the mean gain is at most 1 whatever
    stratum the next event comes from. One without a share to compare by is left out.
    """
    logs = [0.0] * len(bets)
    for canary, stable, weight in strata:
        if 0.0 < weight < 1.0:
            gains = _ratio_gains(weight, ratio, tuple(bets))
            logs = [log + canary * bad + stable * good for log, (bad, good) in zip(logs, gains, strict=True)]
    return _mean_exp(logs)


def floor_e_value(failing: float, requests: float, floor: float) -> float:
    """Evidence that the canary fails more than `floor` (0…1) of its requests, whatever stable does."""
    return _rate_e_value(failing, requests, _floor_gains(floor))


def absolute_e_value(failing: float, requests: float, limit: float) -> float:
    """Evidence that the canary fails more than `limit` (0…1) of its requests, when no control is left to compare."""
    return _rate_e_value(failing, requests, _absolute_gains(limit))


def _canary_share(ratio: float, weight: float) -> float:
    """The probability that a bad event is the canary's, when its rate is `ratio` times stable's."""
    return ratio * weight / (ratio * weight + 1 - weight)


# What a bet gains by one event of each kind, as logarithms, which are remembered: a look at a step of two days asks for
# some thousand e-values, at a few weights and limits.
@lru_cache(maxsize=256)
def _ratio_gains(weight: float, ratio: float, bets: tuple[float, ...]) -> Gains:
    """Return the gains of a bad event of the canary, and of one of stable."""
    null = _canary_share(ratio, weight)
    shares = [_canary_share(ratio * multiple, weight) for multiple in bets]
    return tuple((math.log(bet / null), math.log((1 - bet) / (1 - null))) for bet in shares)


@lru_cache(maxsize=64)
def _floor_gains(floor: float) -> Gains:
    return _rate_gains(floor, [min(floor * multiple, _LARGEST_PROBABILITY) for multiple in GRID])


@lru_cache(maxsize=64)
def _absolute_gains(limit: float) -> Gains:
    return _rate_gains(limit, [limit + (1 - limit) * part for part in ABSOLUTE_GRID])


def _rate_gains(rate: float, bets: Sequence[float]) -> Gains:
    """Return the gains of a call that fails, and of one that does not."""
    return tuple((math.log(p / rate), math.log((1 - p) / (1 - rate))) for p in bets)


def _rate_e_value(failing: float, requests: float, gains: Gains) -> float:
    good = max(requests - failing, 0.0)
    return _mean_exp([failing * lost + good * kept for lost, kept in gains])


def _mean_exp(logs: Sequence[float]) -> float:
    """The mean of exp(log), by log-sum-exp, cut off where a double would overflow."""
    top = max(logs)
    log_mean = top + math.log(sum(math.exp(value - top) for value in logs) / len(logs))
    return math.exp(min(log_mean, _LARGEST_EXPONENT))
