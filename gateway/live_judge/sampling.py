"""Sampling of calls for a judge: as many units of either arm, by hashes, so that all replicas agree.

A call is drawn by its own hash, at a rate that is the same for both arms, so that the turns of a conversation are as
likely on either. A unit is drawn by its own hash, at a rate that evens the arms out. So whatever the weight is, a
graded unit is the canary's with a probability of 1/2 if both arms are alike, which is what its guardrail bets on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from gateway.calls import ArmName
from routing.assignment import BUCKETS

_ALL: Final = 1 << 64
_EVERY_UNIT: Final[Mapping[ArmName, float]] = {"stable": 1.0, "canary": 1.0}


@dataclass(frozen=True, slots=True)
class JudgedShares:
    """Shares (0…1) of the calls, the same on both arms, and of each arm's units that a judge may grade."""

    calls: float
    units: Mapping[ArmName, float]


@lru_cache(maxsize=256)
def shares_of(sample: int, weight: int) -> JudgedShares:
    """Return the shares that make `sample` of all calls, half of them on either arm; both in basis points.

    At a weight of 5 %, 2 % of all calls are 20 % of the canary's and 1 % of stable's. Without a trial the weight is 0.
    """
    canary = weight / BUCKETS
    smaller = min(canary, 1 - canary)
    if smaller <= 0.0:
        return JudgedShares(sample / BUCKETS, _EVERY_UNIT)
    units: dict[ArmName, float] = {"stable": smaller / (1 - canary), "canary": smaller / canary}
    return JudgedShares(min(1.0, sample / BUCKETS / (2 * smaller)), units)


def graded_share(sample: int, weight: int) -> float:
    """Return the share (0…1) of all calls that is graded: `sample`, or less where one arm has too few calls for it."""
    shares, canary = shares_of(sample, weight), weight / BUCKETS
    return shares.calls * ((1 - canary) * shares.units["stable"] + canary * shares.units["canary"])


def is_drawn(name: str, share: float, purpose: str) -> bool:
    """Return whether what has that name is among the share (0…1) of all names."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=purpose.encode()).digest()
    return int.from_bytes(digest, "big") < share * _ALL


def is_sampled(key: str, unit: str, arm: ArmName | None, shares: JudgedShares) -> bool:
    """Return whether the call of that key is graded. `unit` names the one whose bucket drew the arm."""
    if not is_drawn(key, shares.calls, "judged call"):
        return False
    return arm is None or is_drawn(unit, shares.units[arm], "judged unit")
