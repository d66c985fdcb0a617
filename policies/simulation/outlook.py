"""Outlook: how much worse the canary may be by now, and how much longer a verdict takes.

For people only. No decision rests on these numbers.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from policies.evidence.evidence import ArmEvidence, Evidence
from policies.guardrails.grammar import Guardrail
from policies.guardrails.guardrails import assess
from policies.statistics.means import Sample
from policies.statistics.sequential import ratio_e_value

CONFIDENCE_ALPHA = 0.05  # for the two sides of the interval together
MAX_GROWTH = 1000.0  # an outlook beyond so many times what was seen is none

_EXTREME = 1e6  # a ratio beyond this is as good as without bound
K = TypeVar("K")


def rate_ratio_interval(
    canary: float, stable: float, weight: float, alpha: float = CONFIDENCE_ALPHA
) -> tuple[float, float]:
    """Between which multiples of stable's rate the canary's lies, right at all looks in 1 - `alpha` of rollouts.

    `canary` and `stable` are summed badness, `weight` the canary's share in 0…1. Inverts T1 from both sides, alpha / 2
    each; 0 and infinity stand for no bound. Source: Lindon, Sanden & Shirikian, arXiv 2205.14762.
    """
    if not 0.0 < weight < 1.0:
        return 0.0, math.inf
    threshold = 2 / alpha
    low = _largest(lambda ratio: ratio_e_value(canary, stable, weight, ratio) >= threshold)
    high = _largest(lambda ratio: ratio_e_value(stable, canary, 1 - weight, ratio) >= threshold)
    return low, 1 / high if high else math.inf


def requests_to_verdict(
    guardrails: Sequence[Guardrail],
    evidence: Evidence,
    dismissed: Collection[str] = (),
    *,
    is_proven: bool | None = None,
) -> int | None:
    """About how many more canary requests a rollback takes, if both arms go on exactly as they did so far.

    `guardrails` are all of the agent's: those on `dismissed` metrics prove nothing, and keep their share to themselves.
    `is_proven` says whether it is proven already, for whoever has assessed the evidence.
    0 when it is proven; None when the evidence does not grow, or not within a thousand times what was seen.
    """

    def proven(growth: float) -> bool:
        return assess(guardrails, (), grown(evidence, growth), dismissed).proven is not None

    if proven(1.0) if is_proven is None else is_proven:
        return 0
    if evidence.canary.calls == 0 or not proven(MAX_GROWTH):
        return None
    low, high = 0.0, math.log(MAX_GROWTH)
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if proven(math.exp(middle)) else (middle, high)
    return math.ceil((math.exp(high) - 1) * evidence.canary.calls)


def grown(evidence: Evidence, growth: float) -> Evidence:
    """The evidence that there would be after `growth` times as many calls that went like these."""
    return replace(evidence, canary=_grown(evidence.canary, growth), stable=_grown(evidence.stable, growth))


def _grown(arm: ArmEvidence, growth: float) -> ArmEvidence:
    return ArmEvidence(
        requests=_times(arm.requests, growth),
        errors=round(arm.errors * growth),
        units=round(arm.units * growth),
        bad={component: _times(counts, growth) for component, counts in arm.bad.items()},
        bad_units=_times(arm.bad_units, growth),
        samples={metric: _grown_sample(sample, growth) for metric, sample in arm.samples.items()},
        scored=_times(arm.scored, growth),
        requests_of={party: _times(counts, growth) for party, counts in arm.requests_of.items()},
        checks=_times(arm.checks, growth),
        recent={name: _times(counts, growth) for name, counts in arm.recent.items()},
    )


def _grown_sample(sample: Sample, growth: float) -> Sample:
    """Sums grow with the calls; how far the bins stray from their mean grows only with the root of it."""
    mean, stray = sample.mean, math.sqrt(growth)
    bins = tuple((growth * mean * n + stray * (total - mean * n), round(n * growth)) for total, n in sample.bins)
    return Sample(round(sample.n * growth), sample.total * growth, sample.squares * growth, bins)


def _times(counts: Mapping[K, int], growth: float) -> dict[K, int]:
    return {key: round(count * growth) for key, count in counts.items()}


def _largest(refuted: Callable[[float], bool]) -> float:
    """The largest ratio that is refuted, 0 when none is: T1 refutes every ratio that is smaller than a refuted one."""
    low, high = 1 / _EXTREME, _EXTREME
    if not refuted(low):
        return 0.0
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
