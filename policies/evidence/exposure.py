"""Evidence from a trial while a circuit of its targets is not closed.

What is left out must not depend on the arm: only then do the bad events of two arms that are alike fall on them by
weight. So a call is admitted or censored by what is known when it comes, before its arm has any part in it, and an
admitted call is tried whatever its own circuit says (decision 19).
"""

from dataclasses import dataclass, field

from policies.evidence.evidence import REPEATS

GRACE = 500  # calls on both arms: at 5 % that is 25 of the canary, far more than a verdict on a dead one takes
REFILL = 8  # calls that come for each further one that is admitted
EACH = REPEATS[0]  # calls of one unit: of a dead version they are enough for an event that a sound one hardly ever has
_MOST_UNITS = 4096


@dataclass(slots=True)
class Exposure:
    """An agent's trial on one replica: what may still be tried while exactly one arm's circuit is not closed.

    The allowance counts admitted calls of both arms. A unit takes at most EACH of it, so that long conversations leave
    something for others (decision 34).
    """

    _left: int = field(default=GRACE * REFILL, init=False)  # in parts of a call, one for each call that comes
    _shown: dict[str, int] = field(default_factory=dict, init=False)  # admitted calls by unit, the oldest unit first

    def admits(self, stable_closed: bool, canary_closed: bool, unit: str) -> bool:
        """Return whether a call of the unit that arrives now is evidence.

        `stable_closed` and `canary_closed` are the circuits of the arms' own targets.
        """
        if stable_closed is canary_closed:  # no circuit refuses anybody, or an outage that both arms share
            if self._shown:
                self._left, self._shown = GRACE * REFILL, {}
            return stable_closed
        self._left = min(self._left + 1, GRACE * REFILL)
        shown = self._shown.get(unit, 0)
        least = -GRACE * REFILL if shown else 0  # who has begun may go on for a while, at the cost of who comes later
        if shown >= EACH or self._left <= least:
            return False
        self._left -= REFILL
        if not shown and len(self._shown) >= _MOST_UNITS:
            del self._shown[next(iter(self._shown))]
        self._shown[unit] = shown + 1
        return True
