"""Assessment of the evidence by guardrails and signals.

A proven breach of a guardrail rolls back, one of a signal only holds the step. How they are written is the business of
`policies.guardrails.grammar`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import add

from policies.evidence.evidence import (
    CALLER_BINS,
    USER_BINS,
    WHOLE,
    Evidence,
    SlotCounts,
    earlier_part,
)
from policies.guardrails.grammar import ABSOLUTE_THRESHOLD, THRESHOLD, CountedEvent, Guardrail
from policies.guardrails.leaving_out import has_enough_without_one, least_without_one
from policies.guardrails.limits import beyond_limit
from policies.guardrails.observed import observed
from policies.statistics.means import Sample, mean_e_value
from policies.statistics.restarts import begun_value
from policies.statistics.sequential import floor_e_value, strata_e_value

HOLD_THRESHOLD = 10.0  # this much evidence keeps a rollout from going on
MIN_UNITS = 30  # fewer canary units than this say nothing in its favour
CONTROL_LOST_SECONDS = 300.0  # stable is unseen for so long: no control is left
_EVEN = 0.5  # the canary's part of the units that a judge grades
_SHIELD_PART = 0.25 / (CALLER_BINS + USER_BINS)  # of the bet, for each party: that without its failures all is plain


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence of one guardrail. `share` is its part in the family's e-value, 0 for a separate one. `stable` and
    `canary` are the observed rates, or means of the scaled sums (None before the first call). `unbounded` is the
    e-value of all calls together, including a single caller's. `units` are the canary's; `is_proven` marks the finding
    that a rollback rests on.
    """

    guardrail: Guardrail
    e_value: float
    share: float
    stable: float | None
    canary: float | None
    unbounded: float
    units: int
    is_proven: bool = False

    @property
    def weighed(self) -> float:
        """The part of the e-value that counts against the threshold."""
        return self.e_value * (self.share or 1.0)

    @property
    def breached_by_all(self) -> bool:
        """Return whether the calls of all together show the breach, whoever of them shows it."""
        return self.unbounded * (self.share or 1.0) >= self.guardrail.threshold


@dataclass(frozen=True, slots=True)
class Assessment:
    """Assessment of all guardrails. `e_value` is the family's, `proven` the finding behind a rollback. `holds` names
    what holds the rollout.
    """

    findings: tuple[Finding, ...]
    signals: tuple[Finding, ...]
    e_value: float
    proven: Finding | None
    holds: tuple[str, ...]


def assess(
    guardrails: Sequence[Guardrail],
    signals: Sequence[Guardrail],
    evidence: Evidence,
    dismissed: Collection[str] = (),
    demoted: Collection[str] = (),
) -> Assessment:
    """Assess guardrails and signals by the evidence, each in the order given, without those on `dismissed` metrics.

    A guardrail on a `demoted` metric is a signal. Either keeps its share of the family to itself: handing it to the
    others because of what it showed would break the promise.
    """
    share_of = shares(guardrails)
    heeded = [guardrail for guardrail in guardrails if guardrail.metric.name not in {*dismissed, *demoted}]
    signals = [*signals, *(guardrail for guardrail in guardrails if guardrail.metric.name in demoted)]
    findings = _bounded([_find(guardrail, share_of[guardrail.text], evidence) for guardrail in heeded], evidence)
    watched = _bounded([_find(each, 0.0, evidence) for each in signals if each.metric.name not in dismissed], evidence)
    e_value = _family(findings) if any(share_of.values()) else 1.0
    proven = _proven(findings, evidence)
    if proven is not None:
        findings = tuple(_failed(finding) if finding is proven else finding for finding in findings)
        proven = _failed(proven)
    return Assessment(findings, watched, e_value, proven, _holds(e_value, findings, watched))


def shares(guardrails: Sequence[Guardrail]) -> dict[str, float]:
    """Each relative guardrail's share of the family: its kind's, split evenly, over the kinds that are watched."""
    family = [guardrail for guardrail in guardrails if guardrail.relative]
    kinds = [guardrail.metric.kind for guardrail in family]
    total = sum(kind.share for kind in dict.fromkeys(kinds))
    share_of = {guardrail.text: 0.0 for guardrail in guardrails}
    for guardrail in family:
        kind = guardrail.metric.kind
        share_of[guardrail.text] = kind.share / total / kinds.count(kind)
    return share_of


def bank(guardrails: Iterable[Guardrail], evidence: Evidence) -> dict[str, float]:
    """Return the value of each relative guardrail's components as their step ends, past steps included, by its text."""
    return {
        guardrail.text: evidence.banked.get(guardrail.text, 0.0) + least_without_one(guardrail, evidence, _begun)
        for guardrail in guardrails
        if guardrail.relative
    }


def _find(guardrail: Guardrail, share: float, evidence: Evidence) -> Finding:
    e_value = e_value_of(guardrail, evidence)
    stable, canary = observed(guardrail, evidence.stable), observed(guardrail, evidence.canary)
    return Finding(guardrail, e_value, share, stable.value, canary.value, e_value, evidence.canary.units)


def _bounded(findings: Sequence[Finding], evidence: Evidence) -> tuple[Finding, ...]:
    """The findings, each with its least e-value, whichever party is left out: what one of them shows alone proves
    nothing (decision 35).

    That is never more than the e-value of all, so the promise stands. It is only computed where it may matter.
    """
    if all(finding.e_value < HOLD_THRESHOLD for finding in findings):
        return tuple(findings)
    least = (least_without_one(finding.guardrail, evidence, e_value_of) for finding in findings)
    return tuple(replace(finding, e_value=e_value) for finding, e_value in zip(findings, least, strict=True))


def e_value_of(guardrail: Guardrail, evidence: Evidence) -> float:
    """The e-value of a guardrail by the evidence as it is, whoever has called."""
    if not guardrail.relative:
        return _absolute(guardrail, evidence)
    banked = evidence.banked.get(guardrail.text, 0.0)
    not_begun = 1 / (evidence.step + 1) if guardrail.is_mean else evidence.clock.not_begun
    return banked + _begun(guardrail, evidence) + not_begun


def _begun(guardrail: Guardrail, evidence: Evidence) -> float:
    """The weighted sum of the components that began in this step."""
    if guardrail.is_mean:
        return _mean(guardrail, evidence) / (evidence.step * (evidence.step + 1))
    names = guardrail.names
    shield, parties = evidence.shield(names)
    if shield is None:
        return _shown(guardrail, evidence)
    others = _shown(guardrail, evidence.without(shield, names))
    return (1 - parties * _SHIELD_PART) * _shown(guardrail, evidence) + _SHIELD_PART * others


def _shown(guardrail: Guardrail, evidence: Evidence) -> float:
    """The weighted sum of the components by all of this evidence."""
    ratio, floor = guardrail.tolerated, guardrail.metric.kind.floor if guardrail.relative else None
    return sum(event.part * _restarted(guardrail, event, evidence, (ratio, floor)) for event in guardrail.events)


def _mean(guardrail: Guardrail, evidence: Evidence) -> float:
    """T2 does not restart within a step: what a version costs does not change while it runs."""
    canary = evidence.canary.samples.get(guardrail.metric.name, Sample())
    stable = evidence.stable.samples.get(guardrail.metric.name, Sample())
    return mean_e_value(canary, stable, guardrail.limit)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Bad events of both arms, and the canary's calls that might have been bad, from some minute on.

    The events are by stratum: the units of the running step first, then those of each earlier one.
    """

    canary: tuple[float, ...]
    stable: tuple[float, ...]
    requests: float

    def merged(self, other: "_Counts") -> "_Counts":
        return _Counts(_sum(self.canary, other.canary), _sum(self.stable, other.stable), self.requests + other.requests)


def _sum(these: Iterable[float], those: Iterable[float]) -> tuple[float, ...]:
    return tuple(map(add, these, those))


def _restarted(
    guardrail: Guardrail, event: CountedEvent, evidence: Evidence, null: tuple[float, float | None]
) -> float:
    """`null` is the ratio to stable's rate that is tolerated, and the rate below which nothing is proven."""
    ratio, floor = null
    steps = [step for step in evidence.earlier if _has_shown(evidence, earlier_part(event.name, step))]
    if event.times > 1 and not steps and not _has_shown(evidence, event.name):
        return evidence.clock.weight(0, evidence.clock.until)  # no such event: nothing was bet
    weight = _EVEN if guardrail.by_judge and 0.0 < evidence.weight < 1.0 else evidence.weight
    weights = (weight, *(evidence.earlier[step] for step in steps))

    def e_value(counts: _Counts) -> float:
        """Worse than stable *and* above the floor: the smaller of two e-values is evidence against either null.

        The floor is a share of calls, and a unit's n-th bad call stands for n of them.
        """
        relative = strata_e_value(zip(counts.canary, counts.stable, weights, strict=True), ratio)
        if floor is None:
            return relative
        return min(relative, floor_e_value(event.times * sum(counts.canary), counts.requests, floor))

    names = (event.name, *(earlier_part(event.name, step) for step in steps))
    return begun_value(_slots(guardrail, names, evidence), _Counts.merged, e_value, evidence.clock)


def _has_shown(evidence: Evidence, component: str) -> bool:
    return component in evidence.canary.bad or component in evidence.stable.bad


def _slots(guardrail: Guardrail, names: Sequence[str], evidence: Evidence) -> dict[int, _Counts]:
    canary, stable = ([arm.bad.get(name, {}) for name in names] for arm in (evidence.canary, evidence.stable))
    population = guardrail.population
    earlier = [evidence.canary.earlier_trials(population, step) for step in evidence.earlier]
    requests = [evidence.canary.trials(population, guardrail.components[-1]), *earlier]
    return {
        index: _Counts(_at(canary, index, WHOLE), _at(stable, index, WHOLE), sum(_at(requests, index)))
        for index in {index for slots in (*canary, *stable, *requests) for index in slots}
    }


def _at(strata: Iterable[SlotCounts], index: int, unit: int = 1) -> tuple[float, ...]:
    return tuple(slots.get(index, 0) / unit for slots in strata)


def _absolute(guardrail: Guardrail, evidence: Evidence) -> float:
    """Above the limit *and*, while there is a control, worse than it: an outage of both arms blames nobody.

    The same threshold for both halves keeps what this guard adds to the chance of a false rollback at 1e-4.
    """
    beyond = beyond_limit(guardrail, evidence.canary)
    if evidence.control_unseen_seconds >= CONTROL_LOST_SECONDS:
        return beyond
    alone = replace(evidence, offset=0, earlier={})
    return min(beyond, _begun(guardrail, alone) + alone.clock.not_begun)


def _family(findings: Iterable[Finding]) -> float:
    """The e-value of these findings together; one that stands alone has no share."""
    return sum(finding.share * finding.e_value for finding in findings)


def _proven(findings: Iterable[Finding], evidence: Evidence) -> Finding | None:
    """The finding that a rollback rests on: an absolute breach, or what adds most to a family beyond the threshold.

    What rests on too few units is left out before the family is summed up, so that no other finding answers for it.
    """
    well_founded = [finding for finding in findings if has_enough_without_one(finding.guardrail, evidence)]
    family = [f for f in well_founded if f.guardrail.relative] if _family(well_founded) >= THRESHOLD else []
    alone = [f for f in well_founded if not f.guardrail.relative and f.e_value >= ABSOLUTE_THRESHOLD]
    return max([*family, *alone], key=lambda finding: finding.weighed, default=None)


def _failed(finding: Finding) -> Finding:
    return replace(finding, is_proven=True)


def _holds(e_value: float, findings: Iterable[Finding], signals: Iterable[Finding]) -> tuple[str, ...]:
    reasons = [] if e_value < HOLD_THRESHOLD else [f"the canary is suspect: E = {e_value:.3g}"]
    reasons += [_shown_by_one(finding) for finding in findings if _is_shown_by_one(finding)]
    reasons += [f"signal {f.guardrail.text} is breached: E = {f.e_value:.3g}" for f in signals if _breached(f)]
    return tuple(reasons)


def _is_shown_by_one(finding: Finding) -> bool:
    """Return whether the calls of one party alone would prove the breach."""
    return finding.breached_by_all and finding.e_value < HOLD_THRESHOLD


def _shown_by_one(finding: Finding) -> str:
    return (
        f"only one caller or user shows {finding.guardrail.text} breached: E = {finding.unbounded:.3g}, and "
        f"{finding.e_value:.3g} without that one; abort the rollout if you trust the evidence"
    )


def _breached(signal: Finding) -> bool:
    return signal.e_value >= signal.guardrail.threshold
