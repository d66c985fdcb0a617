"""Percentages, durations and sizes: how they are written, and how they are shown again."""

import re
from decimal import Decimal
from typing import Final

from gateway.config.problems import quoted

PERCENT_PATTERN: Final = r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)%$"
POSITIVE_PERCENT_PATTERN: Final = r"^(?![0.]+%)" + PERCENT_PATTERN[1:]
DURATION_PATTERN: Final = r"^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h|d)$"
SIZE_PATTERN: Final = r"^[0-9]{1,6}(B|kB|KB|MB|GB)$"

BASIS_POINTS: Final = 10_000

_SECONDS: Final = {"d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_BYTES: Final = {"GB": 1024**3, "MB": 1024**2, "KB": 1024, "kB": 1024, "B": 1}


def basis_points(written: object) -> int:
    """`5%` → 500. Raises ValueError with a hint."""
    if not isinstance(written, str):
        raise ValueError("write a percentage with its sign, such as 5%")
    if re.fullmatch(PERCENT_PATTERN, written):
        return int(Decimal(written[:-1]) * 100)
    if re.fullmatch(r"[0-9]+\.[0-9]{3,}%", written):
        raise ValueError(f"{quoted(written)} has more than two decimals; the smallest share is 0.01%")
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", written):
        raise ValueError(f"{quoted(written)} is more than 100%")
    raise ValueError(f"cannot read {quoted(written)}; write a percentage such as 5% or 0.25%")


def positive_basis_points(written: object) -> int:
    """Read basis points as `basis_points` does, and refuse 0% too."""
    if not (points := basis_points(written)):
        raise ValueError("must be more than 0%")
    return points


def share(written: object) -> float:
    """`20%` → 0.2. Raises ValueError with a hint."""
    return basis_points(written) / BASIS_POINTS


def seconds(written: object) -> float:
    """`30m` → 1800.0. Raises ValueError with a hint."""
    if not isinstance(written, str):
        raise ValueError("write a duration with its unit, such as 30s (ms, s, m, h, d)")
    if not re.fullmatch(DURATION_PATTERN, written):
        raise ValueError(f"cannot read {quoted(written)}; write a duration such as 250ms, 30s, 10m, 2h or 1d")
    unit = written.lstrip("0123456789.")
    return float(Decimal(written.removesuffix(unit)) * _SECONDS[unit])


def positive_seconds(written: object) -> float:
    """Read seconds as `seconds` does, and refuse 0 too."""
    if not (value := seconds(written)):
        raise ValueError("must be longer than 0s")
    return value


def size(written: object) -> int:
    """`32MB` → 33554432: the units are powers of 1024. Raises ValueError with a hint."""
    if not isinstance(written, str):
        raise ValueError("write a size with its unit, such as 32MB (B, kB, MB, GB)")
    if not re.fullmatch(SIZE_PATTERN, written):
        raise ValueError(f"cannot read {quoted(written)}; write a size such as 512kB, 32MB or 1GB")
    unit = written.lstrip("0123456789")
    if not (value := int(written.removesuffix(unit)) * _BYTES[unit]):
        raise ValueError("must be more than 0B")
    return value


def show_percent(points: int) -> str:
    """500 → `5%`."""
    return f"{Decimal(points) / 100:f}%"


def show_seconds(value: float) -> str:
    """1800.0 → `30m`: the largest unit of which there are at least two, and no fraction."""
    exact = Decimal(str(value))
    unit = next((unit for unit, length in _SECONDS.items() if exact >= 2 * length and exact % length == 0), "s")
    return f"{(exact / _SECONDS[unit]).normalize():f}{unit}"


def show_size(value: int) -> str:
    """33554432 → `32MB`."""
    unit = next(unit for unit, length in _BYTES.items() if value % length == 0)
    return f"{value // _BYTES[unit]}{unit}"
