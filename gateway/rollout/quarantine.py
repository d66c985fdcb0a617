"""The conclusions that one replica may draw alone while the store is away: the canary fails, on stronger proof."""

from collections.abc import Callable, Collection, Iterable

from gateway.store.seam import Arm, Batch
from policies.evidence.evidence import ERRORS
from policies.guardrails.grammar import THRESHOLD, CountedEvent, parse
from policies.guardrails.leaving_out import MIN_BAD_UNITS
from policies.guardrails.metrics import ERROR_FLOOR
from policies.statistics.sequential import floor_e_value, ratio_e_value
from routing.assignment import BUCKETS

QUARANTINE_THRESHOLD = 10 * THRESHOLD  # a tenth of the error that all replicas together are granted
_ERROR_RATE = parse("error_rate <= stable * 1.25")

_Heeds = Callable[[str], bool]  # whether a party's calls count; '' is nobody's


def is_proven(weight: int, batches: Collection[Batch]) -> bool:
    """Return whether the counts that the store has not confirmed prove that the canary fails more than stable.

    Where several parties have called, the others must prove it, too, whichever is left out (decision 35).
    """
    parties = _parties(batches)
    others = [party.__ne__ for party in parties] if len(parties) > 1 else []
    return all(_is_proven(weight, batches, heeds) for heeds in (_heed_all, *others))


def sole_prover(weight: int, batches: Collection[Batch]) -> str | None:
    """Return a party whose own calls prove it, where those of all do, too; None where there is none (decision 40)."""
    if not _is_proven(weight, batches, _heed_all):
        return None
    provers = (party for party in _parties(batches) if _is_proven(weight, batches, party.__eq__))
    return next(provers, None)


def _heed_all(_: str) -> bool:
    return True


def _parties(batches: Iterable[Batch]) -> list[str]:
    return sorted({party for batch in batches for party in batch.parties})


def _is_proven(weight: int, batches: Collection[Batch], heeds: _Heeds) -> bool:
    failing = _failing((batch.canary for batch in batches), ERRORS, heeds)
    e_value = sum(event.part * _e_value(weight, batches, event, heeds) for event in _ERROR_RATE.events)
    return len(failing) >= MIN_BAD_UNITS and e_value >= QUARANTINE_THRESHOLD


def _e_value(weight: int, batches: Collection[Batch], event: CountedEvent, heeds: _Heeds) -> float:
    canary = len(_failing((batch.canary for batch in batches), event.name, heeds))
    stable = len(_failing((batch.stable for batch in batches), event.name, heeds))
    requests = sum(_requests(batch.canary, heeds) for batch in batches)
    ratio = ratio_e_value(canary, stable, weight / BUCKETS, _ERROR_RATE.limit)
    return min(ratio, floor_e_value(event.times * canary, requests, ERROR_FLOOR))


def _requests(arm: Arm, heeds: _Heeds) -> int:
    """Return the arm's calls that count; those of no party are what the parties' leave."""
    nobodys = arm.requests - sum(arm.requests_of.values())
    return sum(calls for party, calls in {"": nobodys, **arm.requests_of}.items() if heeds(party))


def _failing(arms: Iterable[Arm], name: str, heeds: _Heeds) -> set[str]:
    return {unit for arm in arms for unit in arm.bad.get(name, {}) if heeds(arm.party_of.get(unit, ""))}
