"""Numbers as people read them: shares, durations, dollars and ratios, with the digits that matter."""

import math


def percentage(share: float) -> str:
    """Return a share with the digits that matter: `0.06 %`, `4.1 %`, `43 %`."""
    percent = share * 100
    if percent == 0 or percent >= 99.95:
        return f"{percent:.0f} %"
    digits = 2 if percent < 1 else 1 if percent < 10 else 0
    return f"{percent:.{digits}f} %"


def part(some: int, of: int) -> str:
    """Return a part with its counts, whose quotient it is: `23 % (10 of 43)`; a dash of nothing."""
    return f"{percentage(some / of)} ({some:,} of {of:,})" if of else "–"


def weight(share: float) -> str:
    """Return a share that somebody has set, with the digits that were given: `5 %`, `0.25 %`."""
    return f"{share * 100:.4g} %"


def duration(seconds: float) -> str:
    """Return a measured duration: `85 ms`, `1.32 s`, `45 s`, `3 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else span(seconds)


def span(seconds: float) -> str:
    """Return a span of time as people say it: `40 s`, `12 min`, `3 h`, `5 days`."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def usd(amount: float) -> str:
    """Return an amount of dollars with three digits that matter: `$412`, `$1.25`, `$0.00431`."""
    if amount == 0:
        return "$0"
    if abs(amount) >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.{min(2 - math.floor(math.log10(abs(amount))), 9)}f}"


def times(ratio: float) -> str:
    """Return a ratio: `1.9 ×`, `0.85 ×`, `12 ×`."""
    return f"{ratio:.0f} ×" if ratio >= 10 else f"{ratio:.3g} ×"
