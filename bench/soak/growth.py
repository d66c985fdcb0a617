"""Memory and descriptors of the replica that lived longest, against the calls that it served."""

from collections.abc import Sequence
from statistics import linear_regression, median

from bench.soak.report import Row
from bench.soak.world import REPLICAS, Sample, World

WARM_UP = 0.4  # of a lifetime, in which caches fill and pages are touched for the first time
MOST_KB = 1024.0  # for 100,000 calls
MOST_DESCRIPTORS = 64.0  # more at the end than after the warm-up, before the same callers
JUDGED_FROM = 20_000  # calls of a lifetime after its warm-up; over fewer the noise is larger than the slope


def growth(made: World) -> list[Row]:
    """Rows on the replica that served most calls in one life."""
    names = {each.lifetime for each in made.samples}
    held = max(([each for each in made.samples if each.lifetime == name] for name in names), key=_calls)
    warm = held[int(len(held) * WARM_UP) :]
    calls = _calls(warm)
    if calls == 0:
        return []
    slope = linear_regression([each.calls / len(REPLICAS) for each in warm], [each.rss_kb for each in warm]).slope
    most, is_judged = slope * 100_000, calls >= JUDGED_FROM
    rss = f"{warm[0].rss_kb / 1024:.1f} to {warm[-1].rss_kb / 1024:.1f} MB over {calls:,} calls of one life"
    part = len(warm) // 4 or 1
    first, last = (median(each.descriptors for each in some) for some in (warm[:part], warm[-part:]))
    return [
        Row("memory for 100,000 calls", f"{most / 1024:+.2f} MB: {rss}", most < MOST_KB if is_judged else None),
        Row("descriptors", f"{first:.0f} to {last:.0f}", last - first <= MOST_DESCRIPTORS),
    ]


def _calls(samples: Sequence[Sample]) -> int:
    return (samples[-1].calls - samples[0].calls) // len(REPLICAS)
