"""Turns of conversations, counted for a fixed time from the beginning of each.

A conversation is counted from the window of `WINDOW_MINUTES` in which it begins until the end of the next one, on
either arm alike. What it reaches by then is booked where it began, and is no evidence before. So neither a conversation
that is still under way nor a faster arm looks longer (decision 69).
"""

from dataclasses import replace

from policies.evidence.evidence import CONVERSATIONS, WHOLE, ArmEvidence, SlotCounts, whole_of
from policies.statistics.restarts import first_minute

MARKS = (2, 4, 8, 16)  # the calls of a conversation that are events, each of which it reaches at most once
WINDOW_MINUTES = 10
CALLS = "turns:calls"  # the calls of all conversations, each up to the last mark

_PREFIX = "turns:"


def reached(times: int) -> str:
    """The component of the conversations that reach so many calls; those that begin reach one."""
    return f"{_PREFIX}{times}"


def resolved(arm: ArmEvidence, minute: int) -> ArmEvidence:
    """The evidence with the turns of those conversations alone whose time is over in that minute of the step."""
    if not any(name.startswith(_PREFIX) for name in arm.bad):
        return arm
    bad, bad_units = dict(arm.bad), dict(arm.bad_units)
    for name, slots in arm.bad.items():
        if whole_of(name).startswith(_PREFIX):
            bad[name] = {index: count for index, count in slots.items() if _is_over(index, minute)}
            bad_units[name] = _units(bad[name])
    return replace(arm, bad=bad, bad_units=bad_units)


def turns_of(arm: ArmEvidence) -> tuple[float, int]:
    """Return the calls of the arm's conversations, and how many conversations these are."""
    return arm.badness(CALLS), round(arm.badness(CONVERSATIONS))


def _is_over(slot_index: int, minute: int) -> bool:
    """Return whether the time of all conversations is over that began in windows which begin in that slot."""
    latest = (first_minute(slot_index + 1) - 1) // WINDOW_MINUTES
    return (latest + 2) * WINDOW_MINUTES <= minute


def _units(slots: SlotCounts) -> int:
    return sum(slots.values()) // WHOLE
