"""Climates: how a provider's models do, by the time, the model and the replica that asks."""

from typing import Any

from bench.calibration.provider import CANARY, STABLE, Climate, Moment, Said, Weather

WELL = Weather()
USUAL = Said()


def always(**changes: Any) -> Climate:
    """The same for all models at all times."""
    weather = WELL.but(**changes)
    return lambda _: weather


def alone(**changes: Any) -> Climate:
    """What differs on the canary from its first call on."""
    bad = WELL.but(**changes)
    return lambda moment: bad if moment.model == CANARY else WELL


def between(begin: float, end: float, **changes: float) -> Climate:
    """What differs for all models from one moment to another."""
    weather = WELL.but(**changes)
    return lambda moment: weather if begin <= moment.now < end else WELL


def in_turn(seconds: float, **changes: Any) -> Climate:
    """What comes and goes: so many seconds of it, as many without."""
    weather = WELL.but(**changes)
    return lambda moment: weather if moment.now // seconds % 2 else WELL


def one_replica(climate: Climate) -> Climate:
    """One replica sees another provider than the others, where all is well."""
    return lambda moment: WELL if moment.replica else climate(moment)


def limited_when_busy(moment: Moment) -> Weather:
    """Peaks in which all models are slow, and the account's limit meets the busier one alone."""
    is_peak = moment.now // 5 % 2
    limited = 0.6 if is_peak and moment.model == STABLE else 0.0
    return WELL.but(slow=2.5, limited=limited) if is_peak else WELL
