"""Exclusion of a party from a trial: what its calls alone show proves no rollback, but it need not go on suffering.

No party proves a rollback alone (decision 35). A party whose own calls prove a breach is excluded: it gets stable, and
the trial goes on for the others (decision 40). No promise rests on an exclusion.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from policies.evidence.evidence import Evidence
from policies.guardrails.guardrails import Finding, e_value_of
from policies.guardrails.leaving_out import has_enough_units


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

    The calls of all together must prove the breach, too, so that of a canary as good as stable anybody is ever excluded
    with at most 1 %, however many parties call.
    """
    found = (_of_finding(finding, evidence, excluded) for finding in findings if finding.breached_by_all)
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


def _proof(finding: Finding, evidence: Evidence) -> float | None:
    """Return the guardrail's e-value if it proves a breach by this evidence."""
    if not has_enough_units(finding.guardrail, evidence):  # of most parties: nothing else is asked of them
        return None
    e_value = e_value_of(finding.guardrail, evidence)
    return e_value if e_value * (finding.share or 1.0) >= finding.guardrail.threshold else None


def _share(evidence: Evidence, party: str) -> float:
    calls = sum(evidence.canary.requests_of.get(party, {}).values())
    return calls / evidence.canary.calls if evidence.canary.calls else 1.0
