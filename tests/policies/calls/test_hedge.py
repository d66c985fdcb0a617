"""From when on an attempt is late: by a fixed time, or by how long the attempts of late took."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.calls.hedge import MIN_ATTEMPTS, WINDOW, Pace, late_after
from policies.evidence.tally import GAMMA

SEEDS = st.integers(0, 2**32)


def pace(*seconds: float) -> Pace:
    """A pace that has seen these attempts."""
    seen = Pace()
    for each in seconds:
        seen.add(each)
    return seen


def attempts(seed: int, count: int) -> list[float]:
    """So many times between a millisecond and a hundred seconds, most of them short."""
    dice = Random(seed)
    return [10 ** dice.uniform(-3, 2) for _ in range(count)]


def test_a_fixed_time_needs_nothing_to_be_seen() -> None:
    """It is what the operator says."""
    assert late_after(None, 0.8, Pace()) == 0.8


def test_a_percentile_is_not_known_at_once() -> None:
    """A tail of a few attempts is a guess; what is asked for too early is found as soon as there are enough."""
    seen = pace(*[1.0] * (MIN_ATTEMPTS - 1))
    assert late_after(0.95, None, seen) is None
    seen.add(1.0)
    assert late_after(0.95, None, seen) == pytest.approx(1.0, rel=0.02)


@given(SEEDS, st.integers(MIN_ATTEMPTS, WINDOW), st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.99]))
def test_a_percentile_is_the_attempts_own(seed: int, count: int, share: float) -> None:
    """Within a bucket of the one that stands there in their order."""
    seconds = attempts(seed, count)
    found = pace(*seconds).quantile(share)
    true = sorted(seconds)[int(share * (len(seconds) - 1))]
    assert found is not None and true / GAMMA <= found <= true * GAMMA


def test_what_is_long_ago_is_forgotten() -> None:
    """A version that has become faster is late earlier, after two windows at most."""
    seen = pace(*[10.0] * WINDOW)
    assert seen.quantile(0.95) == pytest.approx(10.0, rel=0.02)
    for _ in range(2 * WINDOW):
        seen.add(0.1)
    assert seen.quantile(0.95) == pytest.approx(0.1, rel=0.02)


@given(SEEDS, st.integers(MIN_ATTEMPTS, 3 * WINDOW))
def test_a_percentile_is_of_enough_attempts_for_ever(seed: int, count: int) -> None:
    """However the window moves on, it is never empty again."""
    assert pace(*attempts(seed, count)).quantile(0.9) is not None


def test_attempts_that_were_cut_short_do_not_make_late_come_earlier() -> None:
    """Each that is beyond p95 is cancelled a little later and counted with that: what is late stays where it was."""
    seen = pace(*[0.01 * number for number in range(1, 101)] * 10)
    began = seen.quantile(0.95)
    assert began is not None
    for number in range(4 * WINDOW):
        now = seen.quantile(0.95)
        assert now is not None
        seen.add(min(0.01 * (1 + number * 37 % 100), now + 0.01))
    assert seen.quantile(0.95) == pytest.approx(began, rel=0.05)
