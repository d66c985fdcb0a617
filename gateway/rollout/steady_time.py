"""Duration of each agent's step by this replica's own clock.

The store's clock times a rollout. Somebody may set that clock, and no step has lasted an hour longer for it: a replica
that saw the step before goes by what it has measured since (`docs/decisions/0075`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from policies.rollout.state import State

_SLACK_SECONDS = 10.0  # a reply may be late by some seconds
_SLEW = 0.001  # of the time that has passed; clocks are slewed by half of that at most


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A step as it was first seen: which one, the store's clock, and ours."""

    step: tuple[int, float]
    stored_at: float
    seen_at: float


class SteadyTime:
    """The steps that this replica has seen. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, _Sighting] = {}

    def see(self, agent: str, state: State, stored_at: float) -> None:
        """Note when a step was first seen; `stored_at` is the store's clock in Unix seconds."""
        step = state.evidence, state.began_at
        if (seen := self._seen.get(agent)) is None or seen.step != step:
            self._seen[agent] = _Sighting(step, stored_at, self._clock())

    def settle(self, agent: str, state: State, now: float) -> State:
        """Return the record with its step's beginning by the store's clock of `now`, where that clock was set since."""
        seen = self._seen.get(agent)
        if seen is None or seen.step != (state.evidence, state.began_at):
            return state
        passed = self._clock() - seen.seen_at
        was_set_by = now - seen.stored_at - passed
        if abs(was_set_by) <= _SLACK_SECONDS + _SLEW * passed:
            return state
        return replace(state, began_at=state.began_at + was_set_by)
