"""Samples of several processes as one."""

from gateway.telemetry.families import CALLS, CIRCUIT_OPEN, FAMILIES, IN_FLIGHT, STORE_UP
from gateway.telemetry.samples import LabelValues, Samples, add_up, lasting, pack, unpack, unpack_all

KEY: LabelValues = ("a", "v1", "", "k", "f", "answered")


def test_each_family_says_how_values_become_one() -> None:
    """Counts and calls in flight are added; one worker without the store is enough to say that it is away."""
    one: Samples = {CALLS.name: {KEY: [2.0]}, IN_FLIGHT.name: {(): [1.0]}, STORE_UP.name: {(): [1.0]}}
    other: Samples = {
        CALLS.name: {KEY: [3.0]}, IN_FLIGHT.name: {(): [4.0]}, STORE_UP.name: {(): [0.0]},
        CIRCUIT_OPEN.name: {("p", "m"): [1.0]},
    }  # fmt: skip
    assert add_up([one, other]) == {
        CALLS.name: {KEY: [5.0]}, IN_FLIGHT.name: {(): [5.0]}, STORE_UP.name: {(): [0.0]},
        CIRCUIT_OPEN.name: {("p", "m"): [1.0]},
    }  # fmt: skip


def test_adding_changes_no_report() -> None:
    """The counters of workers that have ended are added again and again."""
    ended: Samples = {CALLS.name: {KEY: [2.0]}}
    add_up([ended, ended])
    assert ended == {CALLS.name: {KEY: [2.0]}}


def test_a_process_that_has_ended_leaves_its_counters_alone() -> None:
    """Its calls in flight are over."""
    assert lasting({CALLS.name: {KEY: [2.0]}, IN_FLIGHT.name: {(): [1.0]}}) == {CALLS.name: {KEY: [2.0]}}


def test_samples_come_out_as_they_went_in() -> None:
    """Numbers stay whole where they were, and labels what they were."""
    samples = {family.name: {tuple(map(str, family.labels)): [1.5] * family.width} for family in FAMILIES}
    assert unpack(pack(samples)) == samples
    assert unpack_all(b"[%s,%s]" % (pack(samples), pack({}))) == [samples, {}]


def test_a_report_of_another_version_breaks_no_scrape() -> None:
    """A series of another shape is left out, and a family that nobody here knows is harmless."""
    odd: Samples = {CALLS.name: {("too", "few"): [1.0], KEY: [1.0, 2.0]}, "serinus_later_total": {("x",): [1.0]}}
    added = add_up([odd, {CALLS.name: {KEY: [2.0]}}, odd])
    assert added == {CALLS.name: {KEY: [2.0]}, "serinus_later_total": {("x",): [2.0]}}
