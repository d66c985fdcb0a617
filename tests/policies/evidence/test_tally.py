"""Tallies: sums that merge in any order and survive the store."""

import math
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evidence import tally
from policies.evidence.tally import (
    COUNTERS,
    MAX_SECONDS,
    MIN_SECONDS,
    Tally,
    amount_bucket,
    amount_buckets,
    histogram_bucket,
    histogram_buckets,
    quantile,
)

COUNTS = st.integers(0, 2**63)
HISTOGRAMS = st.dictionaries(st.integers(-240, 210), st.integers(1, 2**40), max_size=5).map(Counter)
FAILURES = st.dictionaries(st.sampled_from(["status", "connect", "timeout"]), st.integers(1, 2**40))
TALLIES = st.builds(
    Tally, **dict.fromkeys(COUNTERS, COUNTS), **dict.fromkeys(tally.HISTOGRAMS, HISTOGRAMS), failures=FAILURES
)
SECONDS = st.floats(MIN_SECONDS, MAX_SECONDS)


@given(st.lists(TALLIES, min_size=3, max_size=3))
def test_the_order_of_merging_does_not_matter(tallies: list[Tally]) -> None:
    """Replicas flush when they like."""
    merged = []
    for order in permutations(tallies):
        total = Tally()
        for part in order:
            total.merge(part)
        merged.append(total)
    assert all(total == merged[0] for total in merged)
    assert merged[0].requests == sum(part.requests for part in tallies)


@given(TALLIES, TALLIES)
def test_merging_leaves_the_other_tally_alone(one: Tally, other: Tally) -> None:
    """It may be merged again elsewhere."""
    before = other.to_fields()
    one.merge(other)
    one.merge(other)
    assert other.to_fields() == before


@given(TALLIES)
def test_a_tally_survives_the_store(one: Tally) -> None:
    """To flat integers and back, zeros left out."""
    fields = one.to_fields()
    assert 0 not in fields.values()
    assert Tally.from_fields(fields.items()) == one


@given(TALLIES, TALLIES)
def test_adding_up_fields_is_merging(one: Tally, other: Tally) -> None:
    """What the store does with its increments is what `merge` does in memory."""
    fields = Counter(one.to_fields())
    fields.update(other.to_fields())
    one.merge(other)
    assert Tally.from_fields(fields.items()) == one


def test_failures_are_added_up_by_kind() -> None:
    """In memory and through the store alike."""
    one, other = Tally(failures={"status": 2}), Tally(failures={"status": 1, "connect": 4})
    one.merge(other)
    assert one.failures == {"status": 3, "connect": 4}
    assert Tally.from_fields(one.to_fields().items()) == one


def test_a_field_of_a_later_release_is_left_out() -> None:
    """Two releases share a store while one replaces the other."""
    assert Tally.from_fields([("requests", 2), ("smiles", 9)]) == Tally(requests=2)


@given(SECONDS)
def test_a_bucket_knows_its_duration_within_two_percent(seconds: float) -> None:
    """The quantile of a single duration is that duration."""
    found = quantile({histogram_bucket(seconds): 1}, 0.5)
    assert found == pytest.approx(seconds, rel=0.0201)


@given(st.lists(SECONDS, min_size=1), st.floats(0, 1))
def test_a_quantile_is_within_two_percent_of_the_true_one(durations: list[float], q: float) -> None:
    """The lower of the two neighbours, as in a sorted list."""
    true = sorted(durations)[math.floor(q * (len(durations) - 1))]
    found = quantile(Counter(map(histogram_bucket, durations)), q)
    assert found == pytest.approx(true, rel=0.0201)


@pytest.mark.parametrize(("seconds", "like"), [(0.0, MIN_SECONDS), (-1.0, MIN_SECONDS), (1e9, MAX_SECONDS)])
def test_odd_durations_share_the_outermost_buckets(seconds: float, like: float) -> None:
    """A clock that jumped cannot add buckets without bound."""
    assert histogram_bucket(seconds) == histogram_bucket(like)


@given(st.integers(1, 10**15))
def test_an_amount_is_known_within_two_percent(amount: int) -> None:
    """Nano-USD and tokens, up to a million dollars."""
    assert quantile({amount_bucket(amount): 1}, 0.5) == pytest.approx(amount, rel=0.0201)


def test_odd_amounts_share_the_outermost_buckets() -> None:
    """What costs nothing is as good as one nano-USD, and a wrong price cannot add buckets without bound."""
    assert amount_bucket(0) == amount_bucket(1) == 0
    assert amount_bucket(10**30) == amount_bucket(10**15)


def test_an_empty_histogram_has_no_quantile() -> None:
    """None, which is not zero."""
    assert quantile({}, 0.5) is None


def test_a_tally_of_an_earlier_release_has_no_hedges() -> None:
    """What nobody counted then is zero, and adds up with what is counted now."""
    tally = Tally.from_fields([("requests", 2), ("fallbacks", 1)])
    tally.merge(Tally(requests=1, hedges=1, hedges_won=1))
    assert (tally.requests, tally.hedges, tally.hedges_won, tally.fallbacks) == (3, 1, 1, 1)


@pytest.mark.parametrize("durations", [[], [0.5, 1.0, 3599.0], [0.5, 0.0], [1e9, 2.0]])
def test_many_durations_have_the_buckets_of_each(durations: list[float]) -> None:
    """Also where some are odd."""
    assert histogram_buckets(durations) == [histogram_bucket(each) for each in durations]


@pytest.mark.parametrize("amounts", [[], [1, 2, 10**15], [3, 0], [10**18, 4]])
def test_many_amounts_have_the_buckets_of_each(amounts: list[int]) -> None:
    """Also where some are odd."""
    assert amount_buckets(amounts) == [amount_bucket(each) for each in amounts]
