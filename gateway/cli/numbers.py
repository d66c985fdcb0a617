"""Numbers in arguments of commands: each as it is written, within its bounds, and refused in words."""

import argparse
from typing import Final

LOG_FORMAT: Final = "SERINUS_LOG_FORMAT"
LOG_FORMATS: Final = ("auto", "json", "text")

_MOST_SECONDS = 600
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_SPAN = 365 * 86_400
_SHORTEST_INTERVAL = 0.5
_MOST_RUNS = 100_000
_MOST_TIMES = 1_000_000


def rate(text: str) -> float:
    """`3%` or `0.03`."""
    rate = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= rate <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0% and 100%")
    return rate


def times(text: str) -> float:
    """`+25%` or `1.25`."""
    times = 1 + _number(text[:-1]) / 100 if text.startswith("+") and text.endswith("%") else _number(text)
    if not 0 < times <= _MOST_TIMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most {_MOST_TIMES:,}")
    return times


def runs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_RUNS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_RUNS:,}")
    return int(text)


def runs_or_none(text: str) -> int:
    """Return a number of runs, of which there may be none."""
    return 0 if text == "0" else runs(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most {_MOST_SECONDS}")
    return seconds


def time_span(text: str) -> float:
    """`90s`, `15m`, `2h` or `1d`; a number alone is seconds."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    seconds = _number(number) * _UNITS[unit]
    if not 0 < seconds <= _MOST_SPAN:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time up to 365d, such as 90s, 15m, 2h or 1d")
    return seconds


def interval(text: str) -> float:
    interval = _number(text)
    if not _SHORTEST_INTERVAL <= interval <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from {_SHORTEST_INTERVAL} to {_MOST_SECONDS} seconds")
    return interval


def log_format(text: str) -> str:
    if text not in LOG_FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(LOG_FORMATS)}")
    return text
