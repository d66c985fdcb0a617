"""Evidence that a rate is beyond a limit by now, however long it was below: components begin anew every few checks.

E = (E(all) + sum_i w_i * E(since window i) + sum over those not begun of w_i) / 2, with w_i = g(i) - g(i + 1) and
g(i) = 1 / (1 + ln(i + 1)). A window is a few checks (`gateway/store/flush.lua`). Only the latest are kept, and a
component that is dropped counts for nothing. An average of e-values is one. Source: Shin, Ramdas & Rinaldo, arXiv
2203.03532.
"""

import math
from collections.abc import Mapping, Sequence

from policies.statistics.sequential import absolute_e_value

KEPT = 32  # windows


def recent_e_value(
    failing: float, good: int, recent_failing: Mapping[int, float], recent_good: Mapping[int, int], limit: float
) -> float:
    """Return the evidence that more than `limit` (0…1) of the checks fail: of all checks, and of those since each of
    the latest windows."""
    windows = sorted({*recent_failing, *recent_good}, reverse=True)
    total, bad, well = _not_begun(windows[0] + 1) if windows else 1.0, 0.0, 0
    for index, first in zip(windows, _first_of_each(windows), strict=True):
        bad, well = bad + recent_failing.get(index, 0), well + recent_good.get(index, 0)
        total += (_not_begun(first) - _not_begun(index + 1)) * absolute_e_value(bad, bad + well, limit)
    return (absolute_e_value(failing, failing + good, limit) + total) / 2


def _first_of_each(windows: Sequence[int]) -> list[int]:
    """Return of each window, newest first, the first of those without checks before it, or itself.

    A batch of many checks lies in one window, so some after it have none. What begins in them begins with the next one.
    """
    return [*(older + 1 for older in windows[1:]), *windows[-1:]]


def _not_begun(index: int) -> float:
    """The weight of all windows from this one on."""
    return 1.0 / (1.0 + math.log(index + 1))
