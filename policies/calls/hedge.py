"""Start of a second attempt: when the first is late enough to be worth the cost.

Late is what takes longer than most attempts of late did, or longer than a fixed time. How often a call may be hedged is
a `policies.calls.retry.RetryBudget`. Times are in seconds.
"""

from collections import Counter
from dataclasses import dataclass, field

from policies.evidence.tally import histogram_bucket, quantile

PERCENTILES = (50, 75, 90, 95, 99)
MIN_ATTEMPTS = 100  # before that a tail is a guess
WINDOW = 500  # attempts; what is looked at are the last 500 to 1,000 of them
_LOOK_AGAIN = 20  # attempts, after which a quantile is computed anew: it moves no faster than that
MAX_BUDGET = 0.5  # of the calls; beyond it the second attempt is no exception any more


@dataclass(slots=True)
class Pace:
    """Recent latencies of attempts: to the first part of an answer, or to all of one that is not streamed.

    An attempt that was cancelled because another was faster belongs in here too, with the time that it had: were it
    left out, the slowest would be missing, what is late would come ever earlier, and more and more would be late.
    """

    _recent: Counter[int] = field(default_factory=Counter, init=False)
    _before: Counter[int] = field(default_factory=Counter, init=False)
    _count: int = field(default=0, init=False)
    _known: dict[float, float | None] = field(default_factory=dict, init=False)

    def add(self, seconds: float) -> None:
        """An attempt took so long."""
        self._recent[histogram_bucket(seconds)] += 1
        self._count += 1
        if self._count % _LOOK_AGAIN == 0:
            self._known.clear()
        if self._count == WINDOW:
            self._recent, self._before, self._count = Counter(), self._recent, 0

    def quantile(self, q: float) -> float | None:
        """Seconds that a share of `q` of the attempts stayed below; None while there were too few."""
        if q not in self._known:
            seen = self._before + self._recent
            self._known[q] = quantile(seen, q) if seen.total() >= MIN_ATTEMPTS else None
        return self._known[q]


def late_after(share: float | None, seconds: float | None, pace: Pace) -> float | None:
    """After how many seconds an attempt is late: at a fixed time, or where a `share` of them was done. None while that
    is not known."""
    return pace.quantile(share) if share is not None else seconds
