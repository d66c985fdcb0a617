"""E-values without any one party, of a few and of hundreds."""

import random
import sys
from collections.abc import Mapping

import pytest

from policies.evidence.evidence import SCORED, WHOLE, ArmEvidence, Evidence, earlier_part, part_of
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, Guardrail, parse
from policies.guardrails.guardrails import assess, e_value_of
from policies.guardrails.leaving_out import MOST_EXACT, least_without_one
from policies.statistics.means import Sample

GUARDRAILS = tuple(map(parse, (*DEFAULT_GUARDRAILS, "rejection_rate <= 10%", "low_quality <= stable * 1.2")))
SLOTS = 6


def arm(chance: random.Random, parties: list[str], names: set[str], units: float) -> ArmEvidence:
    """An arm to which each party has contributed bad units of every kind, some of them many."""
    bad: dict[str, dict[int, int]] = {name: {} for name in names}
    for name in names:
        for party in parties:
            count = chance.choice((0, 0, units, 6 * units))
            part = {chance.randrange(SLOTS): round(chance.random() * count) * WHOLE for _ in range(3)}
            bad[part_of(name, party)] = part
            for index, value in part.items():
                bad[name][index] = bad[name].get(index, 0) + value
    recent = {name: counts for name, counts in bad.items() if "!" in name}
    looks = {"errors": 40 * len(parties), **{part_of("errors", party): 40 for party in parties}}
    return ArmEvidence(
        requests={index: 60 * len(parties) for index in range(SLOTS)},
        bad=bad,
        bad_units={name: sum(counts.values()) // WHOLE for name, counts in bad.items()},
        samples={"cost": Sample()},
        scored={index: count // WHOLE for index, count in bad.get(SCORED, {}).items()},
        requests_of={party: {index: 60 for index in range(SLOTS)} for party in parties},
        checks=looks,
        recent=recent,
    )


def evidence_of(guardrail: Guardrail, parties: int, seed: int, earlier: Mapping[int, float]) -> Evidence:
    """Evidence of so many parties about one guardrail, with units of earlier steps where there are any."""
    chance, names = random.Random(seed), {*guardrail.names, "rejections", SCORED}
    names |= {earlier_part(name, step) for name in guardrail.names for step in earlier}
    who = [f"c{number}" for number in range(parties)]
    canary, stable = arm(chance, who, names, 1.0), arm(chance, who, names, 0.6)
    return Evidence(0.3, canary, stable, minute=SLOTS - 1, callers=parties, observed_seconds=4000, earlier=earlier)


@pytest.mark.parametrize("guardrail", GUARDRAILS, ids=lambda guardrail: guardrail.text)
@pytest.mark.parametrize("earlier", [{}, {1: 0.1}], ids=["one step", "two steps"])
def test_many_parties_prove_no_more_than_without_any_one_of_them(
    guardrail: Guardrail, earlier: Mapping[int, float]
) -> None:
    """Whoever is left out, the value is at least the one that counts; of few parties it is the least of them all."""
    for seed, parties in enumerate((3, MOST_EXACT, MOST_EXACT + 8, 3 * MOST_EXACT)):
        evidence = evidence_of(guardrail, parties, seed, earlier)
        without = [
            e_value_of(guardrail, evidence.without(party, guardrail.names))
            for party in evidence.parties(guardrail.names)
        ]
        exact = min(e_value_of(guardrail, evidence), *without)
        found = least_without_one(guardrail, evidence, e_value_of)
        assert found <= exact * (1 + 1e-9)
        if parties <= MOST_EXACT:
            assert found == pytest.approx(exact)


def test_a_look_at_ten_times_as_many_parties_takes_about_as_much_more() -> None:
    """The work of a look does not grow with the square of the parties."""
    few, many = (_steps_of_a_look(parties) for parties in (60, 600))
    assert many < 14 * few


def _steps_of_a_look(parties: int) -> int:
    guardrails = tuple(map(parse, DEFAULT_GUARDRAILS))
    evidence = evidence_of(guardrails[0], parties, 1, {})
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        assess(guardrails, (), evidence)
    finally:
        sys.setprofile(None)
    return steps
