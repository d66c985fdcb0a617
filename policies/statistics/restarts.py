"""Components that begin anew during a step, so that a break after long health is seen as fast as one at the start.

E = Σ_j ω_j·E^(j) + Σ_{not begun} ω_j with ω_j = 1/(j(j+1)): the component j counts from minute j of the rollout on, and
an average of e-values is one. A component lives inside one step, where the canary's share is fixed; when the step ends
its value is frozen and banked. Source: Shin, Ramdas & Rinaldo, arXiv 2203.03532.

Minutes are kept in slots that widen with time (a 16th of the time that has passed, a minute at least), so that two days
take some hundred and fifty of them. A slot's component bears the weights of all its minutes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_FINE_BITS = 5  # below 2^5 minutes every minute has a slot of its own; above, each power of two has 16


def slot(minute: int) -> int:
    """The slot of a minute of the step, counted from 0."""
    shift = max(minute.bit_length() - _FINE_BITS, 0)
    return shift * 16 + (minute >> shift)


def first_minute(slot_index: int) -> int:
    """The first minute of a slot: the inverse of `slot`."""
    if slot_index < 32:
        return slot_index
    shift = slot_index // 16 - 1
    return (slot_index - shift * 16) << shift


def begun_value(
    slots: Mapping[int, T], merge: Callable[[T, T], T], e_value: Callable[[T], float], clock: "StepClock"
) -> float:
    """Σ ω_j·E^(j) over the components that began in this step: what is banked when the step ends.

    `slots` holds what each slot of the step saw; a component's evidence is what its slot and all later ones saw.
    """
    total, value, until = 0.0, 1.0, clock.until
    evidence: T | None = None
    for index in sorted(slots, reverse=True):
        total += value * clock.weight(index + 1, until)
        evidence = slots[index] if evidence is None else merge(evidence, slots[index])
        value, until = e_value(evidence), index + 1
    return total + value * clock.weight(0, until)


@dataclass(frozen=True, slots=True)
class StepClock:
    """Position in a step: the current `minute`, and the `offset` of minutes that earlier steps took."""

    minute: int = 0
    offset: int = 0

    @property
    def until(self) -> int:
        """The first slot that has not begun."""
        return slot(self.minute) + 1

    @property
    def not_begun(self) -> float:
        """The weight of all components to come."""
        return 1.0 / (self.offset + first_minute(self.until) + 1)

    @property
    def next_offset(self) -> int:
        """The offset of a step that begins now."""
        return self.offset + first_minute(self.until)

    def weight(self, first: int, until: int) -> float:
        """Σ ω_j over the minutes of the slots first … until-1; minute m of the rollout bears ω_(m+1)."""
        return 1.0 / (self.offset + first_minute(first) + 1) - 1.0 / (self.offset + first_minute(until) + 1)
