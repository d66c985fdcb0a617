"""Schedule of a run's faults, from its seed alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

# Each module registers its faults.
from bench.soak import caller_faults, provider_faults, replica_faults, store_faults  # noqa: F401
from bench.soak.faults import FAULTS, Fault, Kind

# Seconds between two faults of a kind, least and most. A replica that has just started is to serve for a while.
GAPS: Mapping[Kind, tuple[float, float]] = {
    "provider": (0.3, 2.0),
    "trial": (20.0, 60.0),
    "store": (3.0, 12.0),
    "replica": (8.0, 25.0),
    "configuration": (3.0, 12.0),
    "callers": (2.0, 8.0),
}
_FIRST = 0.3  # of a gap: the first fault of a kind comes early


@dataclass(frozen=True, slots=True)
class Due:
    """A fault to come: seconds after the last one of its kind has ended, how long it lasts, and its own seed."""

    fault: Fault
    after: float
    seconds: float
    seed: int


class Lane:
    """Faults of one kind in a row. Each comes once as often as its weight, in an order of chance, before any again."""

    def __init__(self, kind: Kind, seed: int, pace: float) -> None:
        self.kind = kind
        self._rng = Random(f"{seed} {kind}")
        self._gap, self._pace = GAPS[kind], pace
        self._faults = [each for each in FAULTS.values() if each.kind == kind for _ in range(each.weight)]
        self._deck: list[Fault] = []
        self._is_first = True

    def draw(self, may_erase: bool) -> Due:
        """The next fault."""
        after = self._rng.uniform(*self._gap) * self._pace
        while (chosen := self._next()).is_erasing and not may_erase:
            pass
        if self._is_first:
            after, self._is_first = after * _FIRST, False
        return Due(chosen, after, self._rng.uniform(*chosen.seconds), self._rng.getrandbits(48))

    def _next(self) -> Fault:
        if not self._deck:
            self._deck = self._rng.sample(self._faults, len(self._faults))
        return self._deck.pop()
