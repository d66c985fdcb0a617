"""Observations of one arm for a guardrail: the bad ones among how many, or a mean."""

import math
from dataclasses import dataclass

from policies.evidence.evidence import ArmEvidence
from policies.evidence.turns import turns_of
from policies.guardrails.grammar import Guardrail
from policies.guardrails.metrics import Events, Turns
from policies.statistics.means import Sample


@dataclass(frozen=True, slots=True)
class Observed:
    """`bad` of `of` calls or units; `bad` is None for a mean, whose `value` is in parts of stable's cap, and for turns,
    whose `value` is calls of a conversation.

    `value` is None before the first call. Bad units whose calls are counted nowhere (later turns that are known by the
    words of an answer, what a rate limit hides of stable) are among the units here, so no share is above 1.
    """

    value: float | None
    bad: float | None
    of: int


def observed(guardrail: Guardrail, arm: ArmEvidence) -> Observed:
    """Return what the guardrail's metric has shown on that arm."""
    if guardrail.is_mean:
        sample = arm.samples.get(guardrail.metric.name, Sample())
        return Observed(sample.mean if sample.n else None, None, sample.n)
    if isinstance(guardrail.metric.reading, Turns):
        calls, conversations = turns_of(arm)
        return Observed(calls / conversations if conversations else None, None, conversations)
    trials = sum(arm.trials(guardrail.population, guardrail.components[-1]).values())
    if not trials:
        return Observed(None, 0.0, 0)
    reading = guardrail.metric.reading
    if isinstance(reading, Events) and reading.observed:
        bad = float(reading.observed(arm))
    else:
        bad = arm.badness(guardrail.components[-1])
    of = max(trials, math.ceil(bad))
    return Observed(bad / of, bad, of)
