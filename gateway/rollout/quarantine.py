"""The conclusion that one replica may draw alone while the store is away: the canary fails, on stronger proof."""

from collections.abc import Collection, Iterable

from gateway.store.seam import Arm, Batch
from policies.evidence.evidence import ERRORS
from policies.guardrails.grammar import THRESHOLD
from policies.guardrails.guardrails import MIN_BAD_UNITS
from policies.guardrails.metrics import ERROR_FLOOR
from policies.statistics.sequential import floor_e_value, ratio_e_value
from routing.assignment import BUCKETS

QUARANTINE_THRESHOLD = 10 * THRESHOLD  # a tenth of the error that all replicas together are granted
_RATIO = 1.25


def is_proven(weight: int, batches: Collection[Batch]) -> bool:
    """Return whether the counts that the store has not confirmed prove that the canary fails more than stable.

    Where several parties have called, the others must prove it, too, whichever is left out (decision 35).
    """
    parties = {party for batch in batches for party in batch.parties}
    left_out = ["", *(parties if len(parties) > 1 else ())]
    return all(_is_proven(weight, batches, party) for party in left_out)


def _is_proven(weight: int, batches: Iterable[Batch], left_out: str) -> bool:
    canary: set[str] = set()
    stable: set[str] = set()
    requests = 0
    for batch in batches:
        canary |= _failing(batch.canary, left_out)
        stable |= _failing(batch.stable, left_out)
        requests += batch.canary.requests - batch.canary.requests_of.get(left_out, 0)
    ratio = ratio_e_value(len(canary), len(stable), weight / BUCKETS, _RATIO)
    floor = floor_e_value(len(canary), requests, ERROR_FLOOR)
    return len(canary) >= MIN_BAD_UNITS and min(ratio, floor) >= QUARANTINE_THRESHOLD


def _failing(arm: Arm, left_out: str) -> set[str]:
    units = arm.bad.get(ERRORS, {})
    return {unit for unit in units if not left_out or arm.party_of.get(unit) != left_out}
