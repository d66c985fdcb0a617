"""Money: counted in whole nano-dollars, written in US dollars."""

from typing import Final

_NANO: Final = 1_000_000_000


def to_usd(nano_usd: int) -> float:
    """Return US dollars."""
    return nano_usd / _NANO


def to_nano_usd(usd: float) -> int:
    """Return whole nano-dollars, the nearest."""
    return round(usd * _NANO)
