"""Mergeable sums: what one version did in one epoch. Every field is an integer, so the order of merging never matters.

Latencies go into logarithmic buckets (DDSketch, arXiv 1908.10693): a quantile read from them is within 2 % of the true
one, and two histograms merge by adding.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

GAMMA = 1.04  # ratio of neighbouring bucket bounds: (GAMMA - 1) / (GAMMA + 1) = 2 % relative error
_PER_DOUBLING = 1 / math.log2(GAMMA)  # buckets from a bound to twice that
MIN_SECONDS = 1e-4  # everything faster shares the lowest bucket
MAX_AMOUNT = 1e15  # a million dollars in nano-USD: odd input cannot add buckets without bound
MAX_SECONDS = 3600.0  # everything slower shares the highest, so that odd input cannot add buckets without bound


def histogram_bucket(seconds: float) -> int:
    """The bucket of a duration in seconds; the bucket i holds GAMMA^(i-1) < seconds <= GAMMA^i."""
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        seconds = min(max(seconds, MIN_SECONDS), MAX_SECONDS)
    return math.ceil(math.log2(seconds) * _PER_DOUBLING)


def amount_bucket(amount: int) -> int:
    """The bucket of an amount of nano-USD or tokens; everything below 1 shares the lowest."""
    within = amount if 1 <= amount <= MAX_AMOUNT else min(max(amount, 1), MAX_AMOUNT)
    return math.ceil(math.log2(within) * _PER_DOUBLING)


def histogram_buckets(durations: Sequence[float]) -> list[int]:
    """The buckets of many durations, which take half as long together."""
    if durations and min(durations) >= MIN_SECONDS and max(durations) <= MAX_SECONDS:
        return _buckets(durations)
    return [histogram_bucket(seconds) for seconds in durations]


def amount_buckets(amounts: Sequence[int]) -> list[int]:
    """The buckets of many amounts."""
    if amounts and min(amounts) >= 1 and max(amounts) <= MAX_AMOUNT:
        return _buckets(amounts)
    return [amount_bucket(amount) for amount in amounts]


def _buckets(within: Sequence[float]) -> list[int]:
    log2, ceil, per_doubling = math.log2, math.ceil, _PER_DOUBLING
    return [ceil(log2(each) * per_doubling) for each in within]


def quantile(histogram: Mapping[int, int], q: float) -> float | None:
    """The q-quantile of a histogram of bucket → count, in its own unit; None when it is empty."""
    rank = q * (sum(histogram.values()) - 1)
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen > rank:
            return 2 * GAMMA**index / (GAMMA + 1)
    return None


@dataclass(slots=True)
class Tally:
    """Sums over the calls of one version.

    `errors` counts calls whose first attempt failed, `unjudged` those that say nothing of the version (the client's own
    4xx, a client that left, a rate limit), and `rejected` those of them that the provider refused to serve. `censored`
    are those that are no evidence of a trial because a circuit was open (`policies.evidence.exposure`), `held` those
    that are none because no weight drew the arm of their conversation. `hedges` are
    the calls with a second attempt beside the first, `hedges_won` those that it answered. Tokens are tokens,
    `cost_nano_usd` is in 1e-9 USD and `unpriced` counts the calls whose cost is not known, `scores` feedback, and
    `badness` sums 1 - score in millionths. `latency` and `ttft` map histogram buckets to calls; `cost` and `tokens` do
    for what good calls took at their first attempt (nano-USD, tokens). `failures` splits the errors by their kind,
    `units` counts the conversations (or users, or requests) that began, and `unanswered` the calls whose client got an
    error or a broken answer, whoever caused it; a fallback may have answered a call that is among the `errors`.
    `behaviours` counts the calls that show each behaviour.
    """

    requests: int = 0
    errors: int = 0
    fallbacks: int = 0
    escalations: int = 0
    hedges: int = 0
    hedges_won: int = 0
    unjudged: int = 0
    censored: int = 0
    held: int = 0
    rejected: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0
    scores: int = 0
    badness: int = 0
    units: int = 0
    unanswered: int = 0
    latency: Counter[int] = field(default_factory=Counter)
    ttft: Counter[int] = field(default_factory=Counter)
    cost: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)
    failures: dict[str, int] = field(default_factory=dict)
    behaviours: dict[str, int] = field(default_factory=dict)

    def merge(self, other: "Tally") -> None:
        """Add the sums of `other` to this tally."""
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in HISTOGRAMS:
            getattr(self, name).update(getattr(other, name))
        for name in _BY_NAME:
            counts = getattr(self, name)
            for kind, count in getattr(other, name).items():
                counts[kind] = counts.get(kind, 0) + count

    def to_fields(self, prefix: str = "") -> dict[str, int]:
        """The sums that are not zero, as flat integers for the store; `prefix` goes before every name."""
        fields = {prefix + name: value for name in COUNTERS if (value := getattr(self, name))}
        for name in HISTOGRAMS:
            head = f"{prefix}{name}:"
            for index, count in getattr(self, name).items():
                fields[f"{head}{index}"] = count
        for name in _BY_NAME:
            for kind, count in getattr(self, name).items():
                fields[f"{prefix}{name}:{kind}"] = count
        return fields

    @classmethod
    def from_fields(cls, fields: Iterable[tuple[str, int]]) -> "Tally":
        """The tally of `to_fields`. A field that this version of the code does not know is left out."""
        tally = cls()
        for name, value in fields:
            histogram, _, index = name.partition(":")
            if name in COUNTERS:
                setattr(tally, name, value)
            elif histogram in _BY_NAME:
                getattr(tally, histogram)[index] = value
            elif histogram in HISTOGRAMS:
                getattr(tally, histogram)[int(index)] = value
        return tally


HISTOGRAMS = tuple(each.name for each in fields(Tally) if each.default_factory is Counter)
_BY_NAME = ("failures", "behaviours")
COUNTERS = tuple(name for name in Tally.__slots__ if name not in HISTOGRAMS and name not in _BY_NAME)
