"""Components that begin anew: the slots of minutes, and the sum over all beginnings."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.statistics.restarts import StepClock, begun_value, first_minute, slot

MINUTES = st.integers(0, 600)
COUNTS = st.dictionaries(st.integers(0, 60), st.integers(0, 5), max_size=6)


@given(st.integers(0, 10**7))
def test_a_slot_knows_its_first_minute(minute: int) -> None:
    """`first_minute` undoes `slot`, and a minute lies in its slot and before the next one."""
    index = slot(minute)
    assert first_minute(index) <= minute < first_minute(index + 1)
    assert slot(first_minute(index)) == index


@given(MINUTES)
def test_a_slot_is_no_wider_than_a_sixteenth_of_the_time_before_it(minute: int) -> None:
    """So a break is found late by that much at most; and the first half hour is kept by the minute."""
    index = slot(minute)
    width = first_minute(index + 1) - first_minute(index)
    assert width == 1 if minute < 32 else width <= first_minute(index) / 16


def test_two_days_take_few_slots() -> None:
    """What a hash in the store has to hold."""
    assert slot(2 * 24 * 60) < 160


@given(MINUTES, MINUTES)
def test_all_weights_together_are_one(minute: int, offset: int) -> None:
    """What has begun, what is to come, and what earlier steps have used up."""
    clock = StepClock(minute, offset)
    used = Fraction(offset, offset + 1)
    assert clock.weight(0, clock.until) + clock.not_begun + float(used) == pytest.approx(1.0)
    assert 1 / (clock.next_offset + 1) == pytest.approx(clock.not_begun)


@given(COUNTS, MINUTES, st.integers(0, 50))
def test_the_sum_over_restarts_is_the_brute_force_sum(counts: dict[int, int], minute: int, offset: int) -> None:
    """Minute by minute: every component that has begun, with all that its slot and the later ones saw."""
    clock = StepClock(max(minute, first_minute(max(counts, default=0))), offset)
    brute = 0.0
    for begun in range(first_minute(clock.until)):
        seen = sum(count for index, count in counts.items() if index >= slot(begun))
        rank = offset + begun + 1
        brute += 1.5**seen / (rank * (rank + 1))
    assert begun_value(counts, lambda a, b: a + b, lambda seen: 1.5**seen, clock) == pytest.approx(brute)
