"""Exclusion of a party from a trial: what its calls alone show proves no rollback, but it need not go on suffering.

No party proves a rollback alone (decision 35). A party whose own calls prove a breach is excluded: it gets stable, and
the trial goes on for the others (decision 40). No promise rests on an exclusion.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from policies.evidence.evidence import CALLER_BINS, USER_BINS, ArmEvidence, Evidence, earlier_part, part_of
from policies.guardrails.grammar import Guardrail
from policies.guardrails.guardrails import Finding, e_value_of
from policies.guardrails.leaving_out import MIN_BAD_UNITS, has_enough_units
from policies.statistics.sequential import ratio_e_value

# So many times as much evidence excludes a party whatever the calls of all show: each party's e-value has its part in a
# mean over all the bins, which is an e-value, too. It reaches 1,000 with at most 0.1 %.
OWN_PROOF = 10 * (CALLER_BINS + USER_BINS)


@dataclass(frozen=True, slots=True)
class SoleBreach:
    """A breach that the calls of one party prove, and the others do not. `share` is the party's of the canary's calls;
    `e_value` is that of its own calls."""

    finding: Finding
    party: str
    e_value: float
    share: float


def sole_breach(findings: Iterable[Finding], evidence: Evidence, excluded: Collection[str] = ()) -> SoleBreach | None:
    """Return the party to exclude, beside those that are excluded already; None while nobody is to be.

    The calls of all together must prove the breach, too, or the party's own with `OWN_PROOF`. So of a canary as good as
    stable anybody is ever excluded with at most 1.1 %, however many parties call.
    """
    found = (
        (_of_finding if finding.breached_by_all else _of_own_calls)(finding, evidence, excluded) for finding in findings
    )
    return max((sole for sole in found if sole), key=lambda sole: sole.e_value, default=None)


def _of_finding(finding: Finding, evidence: Evidence, excluded: Collection[str]) -> SoleBreach | None:
    names = finding.guardrail.names
    rest = evidence.for_names(names)
    for party in excluded:
        rest = rest.without(party, names)
    if _proof(finding, rest) is None:
        return None
    parties = (party for party in rest.parties(names) if party not in excluded)
    proofs = ((_proof(finding, rest.only(party, names)), party) for party in parties)
    e_value, party = max(((proof, party) for proof, party in proofs if proof is not None), default=(0.0, ""))
    return SoleBreach(finding, party, e_value, _share(evidence, party)) if party else None


def _of_own_calls(finding: Finding, evidence: Evidence, excluded: Collection[str]) -> SoleBreach | None:
    """Return the party whose own calls prove the breach, while others fail on both arms or see a canary that is well.

    A mean has no part of a party by units, and an absolute limit may be broken by its caller alone.
    """
    guardrail, names = finding.guardrail, finding.guardrail.names
    if guardrail.is_mean or not guardrail.relative:
        return None
    suspects = (
        (value, party)
        for party in evidence.parties(names)
        if party not in excluded and (value := _glance(guardrail, party, evidence))
    )
    value, party = max(suspects, default=(0.0, ""))
    share = finding.share or 1.0
    if value * share < guardrail.threshold:
        return None
    e_value = _proof(finding, evidence.for_names(names).only(party, names)) or 0.0
    if e_value * share < guardrail.threshold * OWN_PROOF:
        return None
    return SoleBreach(finding, party, e_value, _share(evidence, party))


def _glance(guardrail: Guardrail, party: str, evidence: Evidence) -> float:
    """Return about how strongly a party's units of all steps speak against the canary: by which to look closer."""
    canary, stable = (_bad_units(guardrail, party, arm, evidence.earlier) for arm in (evidence.canary, evidence.stable))
    if canary < MIN_BAD_UNITS:
        return 0.0
    return ratio_e_value(canary, stable, max(evidence.weight, *evidence.earlier.values(), 0.0), guardrail.tolerated)


def _bad_units(guardrail: Guardrail, party: str, arm: ArmEvidence, steps: Iterable[int]) -> int:
    names = {*guardrail.components, *(earlier_part(name, step) for name in guardrail.components for step in steps)}
    return sum(arm.bad_units.get(part_of(name, party), 0) for name in names)


def _proof(finding: Finding, evidence: Evidence) -> float | None:
    """Return the guardrail's e-value if it proves a breach by this evidence."""
    if not has_enough_units(finding.guardrail, evidence):  # of most parties: nothing else is asked of them
        return None
    e_value = e_value_of(finding.guardrail, evidence)
    return e_value if e_value * (finding.share or 1.0) >= finding.guardrail.threshold else None


def _share(evidence: Evidence, party: str) -> float:
    calls = sum(evidence.canary.requests_of.get(party, {}).values())
    return calls / evidence.canary.calls if evidence.canary.calls else 1.0
