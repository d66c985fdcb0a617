"""Sentences and numbers on a judge, from what the store has of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.judging.agreement import LEAST_KAPPA, MIN_LABELS, MIN_OF_EACH, Agreement
from gateway.judging.rubric import short_digest
from gateway.judging.view import JudgeView, VersionVerdictsView
from gateway.number_words import percentage, usd
from gateway.store.verdict_seam import JudgeSums, VersionVerdicts
from policies.guardrails.metrics import JUDGED_QUALITY
from routing.agents import JudgeRules
from routing.assignment import BUCKETS

_NANO: Final = 1e9
_Z: Final = 1.959964  # of the normal distribution, for 95 %
_FEWEST: Final = 2


@dataclass(frozen=True, slots=True)
class JudgeHere:
    """Knowledge of one replica alone about a judge. `trouble` says why it grades nothing now, '' while all is well."""

    sampled: int
    dropped: Mapping[str, int]
    trouble: str


def judge_view(judge: JudgeRules, sums: JudgeSums | None, here: JudgeHere) -> JudgeView:
    """Return the view of a judge; `sums` is None while the store has not told them."""
    labels = Agreement() if sums is None else sums.agreement
    versions = {} if sums is None else {name: _version(each) for name, each in sums.versions.items()}
    kappa = labels.kappa
    judged, undecided = (sum(getattr(each, name) for each in versions.values()) for name in ("judged", "undecided"))
    spent = None if sums is None else sums.nano_usd / _NANO
    return JudgeView(
        target=judge.target.name,
        judge=short_digest(judge.digest),
        sample=judge.sample / BUCKETS,
        state=_state(judge, judged, undecided, spent, here),
        is_paused=bool(here.trouble),
        acts=acts(judge, labels),
        trust=trust_in_words(judge, labels),
        labels=labels.labels,
        kappa=None if kappa is None else round(kappa.value, 4),
        kappa_low=None if kappa is None else round(kappa.low, 4),
        kappa_high=None if kappa is None else round(kappa.high, 4),
        usd_today=spent,
        max_usd_per_day=judge.max_nano_usd_per_day / _NANO,
        sampled=here.sampled,
        judged=judged,
        undecided=undecided,
        dropped=dict(here.dropped),
        versions=versions,
    )


def acts(judge: JudgeRules, labels: Agreement) -> bool:
    """Return whether a guardrail may act on the judge."""
    return judge.trusted or labels.is_trusted


def trust_in_words(judge: JudgeRules, labels: Agreement) -> str:
    """Return whether a guardrail acts on the judge, and why."""
    if judge.trusted:
        return "its guardrail acts, because `trusted: true` says so"
    if labels.is_trusted:
        return f"its guardrail acts: {kappa_in_words(labels)}"
    signal = f"{JUDGED_QUALITY.name} counts as a signal, which rolls nothing back"
    if not labels.has_enough:
        needed = f"{MIN_LABELS} are needed, {MIN_OF_EACH} of good and {MIN_OF_EACH} of bad calls"
        return f"{signal}: people have labelled {labels.labels:,} of its calls; {needed}"
    return f"{signal}: {kappa_in_words(labels)}; {LEAST_KAPPA:g} is needed"


def kappa_in_words(labels: Agreement) -> str:
    """Return how far the judge and people agree."""
    kappa = labels.kappa
    if kappa is None:
        return f"the judge or people found all {labels.labels:,} labelled calls alike, so nothing is known of κ"
    between = f"{kappa.low:.2f} to {kappa.high:.2f}"
    return f"it agrees with people by κ = {kappa.value:.2f} ({between}) over {labels.labels:,} labels"


def _state(judge: JudgeRules, judged: int, undecided: int, spent: float | None, here: JudgeHere) -> str:
    money = f" of {usd(judge.max_nano_usd_per_day / _NANO)} today (UTC)"
    paid = "" if spent is None else f"; {usd(spent)}{money}"
    if here.trouble:
        return f"paused: {here.trouble}{paid}"
    sentence = f"grades {percentage(judge.sample / BUCKETS)} of the calls: {judged:,} judged in this rollout"
    return f"{sentence}, {undecided:,} undecided{paid}"


def _version(sums: VersionVerdicts) -> VersionVerdictsView:
    mean = sums.score / sums.judged if sums.judged else None
    low, high = (None, None) if mean is None else _interval(sums, mean)
    return VersionVerdictsView(sums.judged, sums.passed, sums.undecided, mean, low, high)


def _interval(sums: VersionVerdicts, mean: float) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the mean score, by the normal distribution; None for a single verdict."""
    if sums.judged < _FEWEST:
        return None, None
    variance = max(sums.squares / sums.judged - mean * mean, 0.0) * sums.judged / (sums.judged - 1)
    reach = _Z * math.sqrt(variance / sums.judged)
    return max(mean - reach, 0.0), min(mean + reach, 1.0)
