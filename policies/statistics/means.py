"""T2: evidence that the canary's mean is too high (cost, tokens). Asymptotic: it speaks from 100 canary requests on.

From sums alone: n, Σx, Σx² and, because the requests of one unit resemble one another, Σx and n in bins of the unit's
hash. Source: Waudby-Smith et al., arXiv 2103.06476; Howard et al., 1810.08240 (one-sided normal mixture).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

BINS = 32  # of the unit's hash: the variance between bins shows how units cluster
MIN_REQUESTS = 100  # below this the normal approximation is not to be trusted
LEAST_SPREAD = 0.01  # of the mean: calls that all cost the same to the cent still prove a difference
_MIXTURE = 50.0  # the prior's weight in requests: tightest around a few hundred


@dataclass(frozen=True, slots=True)
class Sample:
    """Sums over one arm. `bins` holds (Σx, n) by bin of the unit's hash; empty where units do not repeat, or where only
    `clustering` is known: how many times the variance between requests the one of the mean is."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    bins: Sequence[tuple[float, int]] = field(default_factory=tuple)
    clustering: float = 1.0

    def merged(self, other: "Sample") -> "Sample":
        """The sums over both. Their bins are merged one by one, or are those of the one that has any."""
        bins = [(a + b, n + m) for (a, n), (b, m) in zip(self.bins, other.bins, strict=False)]
        bins = bins or [*self.bins, *other.bins]
        return Sample(self.n + other.n, self.total + other.total, self.squares + other.squares, tuple(bins))

    def without(self, part: "Sample") -> "Sample":
        """The sums without a part whose bins nobody kept: units are taken to cluster there as they do in the whole."""
        requests = self._variance_by_request
        clustering = self.variance_of_mean / requests if requests else 1.0
        n, total, squares = self.n - part.n, self.total - part.total, self.squares - part.squares
        return Sample(n, total, squares, clustering=clustering)

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    @property
    def variance_of_mean(self) -> float:
        """The larger of what requests and what units suggest, so that clusters never look like evidence."""
        mean, by_request = self.mean, self._variance_by_request * self.clustering
        filled = [(total, n) for total, n in self.bins if n]
        if len(filled) < 2:
            return by_request
        spread = sum((total - mean * n) ** 2 for total, n in filled) / self.n**2
        return max(by_request, len(filled) / (len(filled) - 1) * spread)

    @property
    def _variance_by_request(self) -> float:
        mean = self.mean
        return max(self.squares / self.n - mean * mean, (LEAST_SPREAD * mean) ** 2) / self.n if self.n else 0.0


def mean_e_value(canary: Sample, stable: Sample, ratio: float) -> float:
    """Evidence that the canary's mean exceeds `ratio` times stable's.

    Both arms' values are cut off beforehand, the canary's at `ratio` times stable's limit.
    """
    if canary.n < MIN_REQUESTS or stable.n < MIN_REQUESTS:
        return 1.0
    variance = canary.variance_of_mean + ratio**2 * stable.variance_of_mean
    if variance <= 0.0:
        return 1.0
    z = (canary.mean - ratio * stable.mean) / math.sqrt(variance)
    return math.exp(min(_log_mixture(z * math.sqrt(canary.n), canary.n + _MIXTURE), 700.0))


def _log_mixture(s: float, scale: float) -> float:
    """ln E of a sum `s` with unit variance per request, mixed over a half-normal prior."""
    normal = 0.5 * math.erfc(-s / math.sqrt(2 * scale))
    if normal <= 0.0:
        return -math.inf
    return 0.5 * math.log(4 * _MIXTURE / scale) + s * s / (2 * scale) + math.log(normal)
