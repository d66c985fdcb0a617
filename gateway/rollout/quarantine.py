"""The conclusions that one replica may draw alone while the store is away: the canary fails, on stronger proof."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.store.seam import Arm, Batch
from policies.evidence.evidence import ERRORS
from policies.guardrails.grammar import THRESHOLD, CountedEvent, parse
from policies.guardrails.leaving_out import MIN_BAD_UNITS
from policies.guardrails.metrics import ERROR_FLOOR
from policies.statistics.sequential import floor_e_value, strata_e_value
from routing.assignment import BUCKETS

QUARANTINE_THRESHOLD = 10 * THRESHOLD  # a tenth of the error that all replicas together are granted
_ERROR_RATE = parse("error_rate <= stable * 1.25")

_Heeds = Callable[[str], bool]  # whether a party's calls count; '' is nobody's


class _Stratum(NamedTuple):
    """The conversations that began in one step: the weight in basis points that drew their arms, and their counts."""

    weight: int
    stable: list[Arm]
    canary: list[Arm]


def is_proven(weights: Mapping[int, int], batches: Collection[Batch]) -> bool:
    """Return whether the counts that the store has not confirmed prove that the canary fails more than stable.

    `weights` are those of the steps whose conversations are evidence, by evidence epoch: of the running one and of
    earlier ones. Where several parties have called, the others must prove it, too, whichever is left out (decision 35).
    """
    parties, strata = _parties(batches), _strata(weights, batches)
    others = [party.__ne__ for party in parties] if len(parties) > 1 else []
    return all(_is_proven(strata, heeds) for heeds in (_heed_all, *others))


def sole_prover(weights: Mapping[int, int], batches: Collection[Batch]) -> str | None:
    """Return a party whose own calls prove it, where those of all do, too; None where there is none (decision 40)."""
    strata = _strata(weights, batches)
    if not _is_proven(strata, _heed_all):
        return None
    return next((party for party in _parties(batches) if _is_proven(strata, party.__eq__)), None)


def _heed_all(_: str) -> bool:
    return True


def _parties(batches: Iterable[Batch]) -> list[str]:
    return sorted({party for batch in batches for party in batch.parties})


def _strata(weights: Mapping[int, int], batches: Collection[Batch]) -> list[_Stratum]:
    strata = []
    for step, weight in weights.items():
        pairs = [
            (batch.stable, batch.canary) if batch.evidence == step else batch.earlier[step]
            for batch in batches
            if step in (batch.evidence, *batch.earlier)
        ]
        strata.append(_Stratum(weight, [stable for stable, _ in pairs], [canary for _, canary in pairs]))
    return strata


def _is_proven(strata: Sequence[_Stratum], heeds: _Heeds) -> bool:
    failing = sum(len(_failing(each.canary, ERRORS, heeds)) for each in strata)
    e_value = sum(event.part * _e_value(strata, event, heeds) for event in _ERROR_RATE.events)
    return failing >= MIN_BAD_UNITS and e_value >= QUARANTINE_THRESHOLD


def _e_value(strata: Sequence[_Stratum], event: CountedEvent, heeds: _Heeds) -> float:
    bad = [
        (len(_failing(canary, event.name, heeds)), len(_failing(stable, event.name, heeds)), weight / BUCKETS)
        for weight, stable, canary in strata
    ]
    requests = sum(_requests(arm, heeds) for each in strata for arm in each.canary)
    floor = floor_e_value(event.times * sum(canary for canary, _, _ in bad), requests, ERROR_FLOOR)
    return min(strata_e_value(bad, _ERROR_RATE.limit), floor)


def _requests(arm: Arm, heeds: _Heeds) -> int:
    """Return the arm's calls that count; those of no party are what the parties' leave."""
    nobodys = arm.requests - sum(arm.requests_of.values())
    return sum(calls for party, calls in {"": nobodys, **arm.requests_of}.items() if heeds(party))


def _failing(arms: Iterable[Arm], name: str, heeds: _Heeds) -> set[str]:
    return {unit for arm in arms for unit in arm.bad.get(name, {}) if heeds(arm.party_of.get(unit, ""))}
