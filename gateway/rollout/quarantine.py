"""What one replica may conclude alone while the store is away: that the canary fails, and only on stronger proof."""

from collections.abc import Iterable

from gateway.store.seam import Batch
from policies.evidence.evidence import ERRORS
from policies.guardrails.grammar import THRESHOLD
from policies.guardrails.guardrails import MIN_BAD_UNITS
from policies.guardrails.metrics import ERROR_FLOOR
from policies.statistics.sequential import floor_e_value, ratio_e_value
from routing.assignment import BUCKETS

QUARANTINE_THRESHOLD = 10 * THRESHOLD  # a tenth of the error that all replicas together are granted
_RATIO = 1.25


def is_proven(weight: int, batches: Iterable[Batch]) -> bool:
    """Return whether the counts that the store has not confirmed prove that the canary fails more than stable."""
    canary: set[str] = set()
    stable: set[str] = set()
    requests = 0
    for batch in batches:
        canary |= batch.canary.bad.get(ERRORS, {}).keys()
        stable |= batch.stable.bad.get(ERRORS, {}).keys()
        requests += batch.canary.requests
    ratio = ratio_e_value(len(canary), len(stable), weight / BUCKETS, _RATIO)
    floor = floor_e_value(len(canary), requests, ERROR_FLOOR)
    return len(canary) >= MIN_BAD_UNITS and min(ratio, floor) >= QUARANTINE_THRESHOLD
