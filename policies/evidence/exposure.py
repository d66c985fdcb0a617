"""Evidence from a trial while a circuit of its targets is not closed.

What is left out must not depend on the arm: only then do the bad events of two arms that are alike fall on them by
weight. So a call is admitted or censored by what is known when it comes, before its arm has any part in it, and an
admitted call is tried whatever its own circuit says (decision 19).
"""

from dataclasses import dataclass, field

GRACE = 500  # calls on both arms: at 5 % that is 25 of the canary, far more than a verdict on a dead one takes


@dataclass(slots=True)
class Exposure:
    """An agent's trial on one replica: number of calls while exactly one arm's circuit was not closed."""

    _passed: int = field(default=0, init=False)

    def admits(self, stable_closed: bool, canary_closed: bool, sampled: bool) -> bool:
        """Return whether a call that arrives now is evidence.

        `stable_closed` and `canary_closed` are the circuits of the arms' own targets; `sampled` says whether the call's
        unit is in the sample that is exposed for as long as one circuit alone is not closed.
        """
        if stable_closed is canary_closed:  # no circuit refuses anybody, or an outage that both arms share
            self._passed = 0
            return stable_closed
        self._passed += 1
        return self._passed <= GRACE or sampled
