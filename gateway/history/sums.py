"""Sums of several cells of the store, and what is read from them: rates, quantiles, means."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, zip_longest

from gateway.history.view import Quantiles, RecentView, TokenSums
from gateway.store.intervals import COARSE_GAMMA, EMPTY, SUMS, Cell, Histogram
from policies.evidence.evidence import WHOLE

_PLACES = {name: place for place, name in enumerate(SUMS)}
_REQUESTS, _ERRORS, _UNJUDGED = _PLACES["requests"], _PLACES["errors"], _PLACES["unjudged"]
_COST, _UNPRICED = _PLACES["cost_nano_usd"], _PLACES["unpriced"]
_SCORES, _BADNESS = _PLACES["scores"], _PLACES["badness"]
_NANO = 1e9


class CellSums:
    """The sums over some cells of one series; `sums` are in the order of the store's `SUMS`."""

    __slots__ = ("behaviours", "failures", "latency", "sums", "ttft")

    def __init__(self, cells: Sequence["Cell | CellSums"]) -> None:
        self.sums: Sequence[int] = _added([cell.sums for cell in cells], len(SUMS))
        self.latency: Histogram = add_histograms([cell.latency for cell in cells])
        self.ttft: Histogram = add_histograms([cell.ttft for cell in cells])
        self.failures: Mapping[str, int] = _added_counts(cell.failures for cell in cells)
        self.behaviours: Mapping[str, int] = _added_counts(cell.behaviours for cell in cells)

    def sum_of(self, name: str) -> int:
        """Return one of `SUMS`."""
        return self.sums[_PLACES[name]]

    @property
    def error_rate(self) -> float | None:
        """Return the share of failures among the calls that say something of the version."""
        judged = self.sums[_REQUESTS] - self.sums[_UNJUDGED]
        return self.sums[_ERRORS] / judged if judged > 0 else None

    @property
    def quality(self) -> float | None:
        """Return the mean score of the feedback, 0 (bad) to 1 (good)."""
        scores = self.sums[_SCORES]
        return round(1 - self.sums[_BADNESS] / WHOLE / scores, 6) if scores else None

    @property
    def cost_usd(self) -> float | None:
        """Return what the calls cost, None where that is not known of any."""
        nano = self.sums[_COST]
        return None if self.sums[_UNPRICED] and not nano else nano / _NANO

    @property
    def cost_per_call_usd(self) -> float | None:
        """Return the mean cost of a call whose cost is known."""
        priced = self.sums[_REQUESTS] - self.sums[_UNPRICED]
        return self.sums[_COST] / _NANO / priced if priced > 0 else None

    @property
    def tokens(self) -> TokenSums:
        """Return the tokens by kind."""
        names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
        return TokenSums(*map(self.sum_of, names))

    def recent(self) -> RecentView:
        """Return the small view of them."""
        p50, p90 = quantiles(self.latency, (0.5, 0.9))
        (ttft_p50,) = quantiles(self.ttft, (0.5,))
        return RecentView(
            calls=self.sums[_REQUESTS],
            errors=self.sums[_ERRORS],
            error_rate=self.error_rate,
            p50_seconds=p50,
            p90_seconds=p90,
            ttft_p50_seconds=ttft_p50,
            cost_per_call_usd=self.cost_per_call_usd,
            quality=self.quality,
            rejected=self.sum_of("rejected"),
            unanswered=self.sum_of("unanswered"),
            unjudged=self.sums[_UNJUDGED],
        )


def quantiles_of(histogram: Histogram) -> Quantiles:
    """Return the quantiles that the views have."""
    return Quantiles(*quantiles(histogram, (0.5, 0.9, 0.99)))


def quantiles(histogram: Histogram, shares: Sequence[float]) -> list[float | None]:
    """Return quantiles of a histogram in seconds, None where it is empty.

    They lie in the bucket of the true ones, 17 % wide, where they would be if its calls were spread evenly.
    """
    reached = list(accumulate(histogram.counts))
    if not reached or not reached[-1]:
        return [None] * len(shares)
    found: list[float | None] = []
    for share in shares:
        rank = share * (reached[-1] - 1)
        bucket = bisect_right(reached, rank)
        before = reached[bucket - 1] if bucket else 0
        within = (rank - before + 0.5) / (reached[bucket] - before)
        found.append(round(COARSE_GAMMA ** (histogram.first + bucket - 1 + within), 5))
    return found


def add_histograms(histograms: Iterable[Histogram]) -> Histogram:
    """Add histograms that begin at different buckets, column by column."""
    filled = [histogram for histogram in histograms if histogram.counts]
    if len(filled) < 2:
        return filled[0] if filled else EMPTY
    first = min(histogram.first for histogram in filled)
    return Histogram(first, _added([(*bytes(each.first - first), *each.counts) for each in filled], 0))


def _added_counts(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _added(rows: Sequence[Sequence[int]], width: int) -> list[int]:
    """Add the rows, of different lengths, column by column; the sum has at least that width."""
    sums = list(map(sum, zip_longest(*rows, fillvalue=0))) if len(rows) > 1 else [*rows[0]] if rows else []
    return sums + [0] * (width - len(sums))
