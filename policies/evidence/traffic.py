"""Checks of a step's traffic: missing data, and arms with a wrong share of the calls.

Neither says that the canary is bad, so neither rolls back. Both hold the rollout: nobody promotes on what was not seen.
"""

from policies.evidence.evidence import Evidence, SlotCounts
from policies.statistics.restarts import first_minute
from policies.statistics.sequential import ratio_e_value

MISMATCH_THRESHOLD = 1000.0  # alpha = 0.001: what is wrong with the split concerns every other number
UNSEEN_MINUTES = 5  # an arm that is silent for so long, while calls of it were due, is missing
MIN_LEFT_OUT = 20  # so few calls that are no evidence are no reason to wait
MIN_DUE = 7.0  # with so many calls due, seeing none happens by chance once in a thousand times

# Two-sided: the canary may get too little as well as too much.
_BETS = (0.02, 0.2, 0.5, 0.8, 0.95, 1.05, 1.25, 2.0, 5.0, 50.0)


def blocked(evidence: Evidence) -> tuple[str, ...]:
    """Return what is wrong with the step's traffic, in words for `Findings.blocked`; empty when nothing is."""
    return (*_missing(evidence), *_mismatch(evidence), *_left_out(evidence))


def _left_out(evidence: Evidence) -> tuple[str, ...]:
    """Return that most of the canary's calls are no evidence: nobody has seen whether they are good."""
    canary = evidence.canary
    earlier = (canary.earlier_trials("judged calls", step) for step in evidence.earlier)
    counted = canary.calls + sum(sum(slots.values()) for slots in earlier)
    if canary.left_out < MIN_LEFT_OUT or canary.left_out <= counted:
        return ()
    return (
        f"evidence is missing: {canary.left_out} calls of the canary are left out, and only {counted} are evidence",
    )


def mismatch_e_value(evidence: Evidence) -> float:
    """Evidence that the canary's share of the calls is not the step's weight: T1 where any call is an event.

    It looks at calls, which a few long conversations can upset early on; the more calls, the less.
    Source: Lindon & Malek, arXiv 2011.03567.
    """
    return ratio_e_value(evidence.canary.calls, evidence.stable.calls, evidence.weight, 1.0, _BETS)


def is_mismatched(evidence: Evidence) -> bool:
    """Return whether it is proven that the canary's share of the calls is not the step's weight."""
    return mismatch_e_value(evidence) >= MISMATCH_THRESHOLD


def _mismatch(evidence: Evidence) -> tuple[str, ...]:
    if not is_mismatched(evidence):
        return ()
    e_value = mismatch_e_value(evidence)
    share = evidence.canary.calls / (evidence.canary.calls + evidence.stable.calls)
    return (f"the canary gets {share:.2%} of the calls instead of {evidence.weight:.2%}: E = {e_value:.3g}",)


def _missing(evidence: Evidence) -> tuple[str, ...]:
    canary, stable = evidence.canary.requests, evidence.stable.requests
    unseen = _unseen({**canary, **stable}, evidence)
    if unseen >= UNSEEN_MINUTES:
        return (f"no call was seen for {unseen} minutes",)
    if not 0.0 < evidence.weight < 1.0:
        return ()
    odds = evidence.weight / (1 - evidence.weight)
    return (
        *_silent("canary", canary, _calls_after(canary, stable) * odds, evidence),
        *_silent("stable", stable, _calls_after(stable, canary) / odds, evidence),
    )


def _silent(name: str, arm: SlotCounts, due: float, evidence: Evidence) -> tuple[str, ...]:
    unseen = _unseen(arm, evidence)
    if unseen < UNSEEN_MINUTES or due < MIN_DUE:
        return ()
    return (f"no call of the {name} was seen for {unseen} minutes, and about {due:.0f} were expected",)


def _calls_after(arm: SlotCounts, other: SlotCounts) -> int:
    """The other arm's calls since the last slot in which this one was seen."""
    return sum(count for index, count in other.items() if index > max(arm, default=-1))


def _unseen(calls: SlotCounts, evidence: Evidence) -> int:
    """Minutes that have surely passed since the last of these calls: slots widen, so it may be some more."""
    return max(evidence.minute - first_minute(max(calls, default=-1) + 1), 0)
