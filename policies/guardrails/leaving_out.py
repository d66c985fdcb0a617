"""Evidence without any one party: no party proves anything alone (decision 35).

A thousand parties may call, and a look must not take a thousand times as long. So the parties with most bad units are
left out one by one, and all others at once, by a bound.
"""

from collections.abc import Callable

from policies.evidence.evidence import Evidence, earlier_part, part_of
from policies.guardrails.grammar import Guardrail

MIN_BAD_UNITS = 3  # one bad conversation, however long, proves nothing
MOST_EXACT = 12  # parties that are left out one by one; a mean's have no slots, so all are


def least_without_one(guardrail: Guardrail, evidence: Evidence, value: Callable[[Guardrail, Evidence], float]) -> float:
    """The value of the guardrail by all evidence, or less: at most what it is without any one party.

    A value grows with the canary's bad units, and falls with stable's and with all calls. So for the parties beyond
    the first few it is at least what it is with as many bad units fewer as any of them has, and with all calls.
    """
    names = guardrail.names
    parties = evidence.parties(names)
    if not parties:
        return value(guardrail, evidence)
    evidence = evidence.for_names(names)
    shield, _ = evidence.shield(names)
    most = len(parties) if guardrail.is_mean else MOST_EXACT
    exact = [party for rank, party in enumerate(parties) if rank < most or party == shield]
    values = [value(guardrail, evidence.without(party, names)) for party in exact]
    if len(exact) < len(parties):
        values.append(value(guardrail, evidence.less_most([each for each in parties if each not in exact], names)))
    return min(value(guardrail, evidence), *values)


def has_enough_without_one(guardrail: Guardrail, evidence: Evidence) -> bool:
    """Return whether enough units were bad, whichever party is left out; a mean always comes from many."""
    parties = evidence.parties(guardrail.components)
    return all(has_enough_units(guardrail, evidence, party) for party in ("", *parties))


def has_enough_units(guardrail: Guardrail, evidence: Evidence, without: str = "") -> bool:
    """Return whether enough of the canary's units were bad to prove anything, without those of a party."""
    bad = [_bad_units(evidence, component, without) for component in guardrail.components]
    return not bad or max(bad) >= MIN_BAD_UNITS


def _bad_units(evidence: Evidence, component: str, without: str) -> int:
    """Return the canary's bad units, also those that began in earlier steps."""
    names = (component, *(earlier_part(component, step) for step in evidence.earlier))
    units = evidence.canary.bad_units
    return sum(units.get(name, 0) - (units.get(part_of(name, without), 0) if without else 0) for name in names)
