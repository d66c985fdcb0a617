"""The watch: what shuts the places, what opens them again, and what is said of it."""

import json
from collections.abc import Callable

import pytest

from gateway import logs
from gateway.errors import Overloaded
from gateway.overload.places import FairPlaces
from gateway.overload.pressure import MemoryGauge
from gateway.overload.watch import OverloadWatch


class Memory(MemoryGauge):
    """Memory of which a test says how much is used."""

    def __init__(self) -> None:
        self.used = 0.0

    def ratio(self) -> float:
        return self.used


class Place:
    """A watch whose clock, memory and descriptors a test moves."""

    def __init__(self, target: float | None = 0.025) -> None:
        self.now, self.left, self.memory = 0.0, 1000, Memory()
        self.calls = FairPlaces(2000)
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        places = (self.calls, FairPlaces(2000), FairPlaces(2000))
        self.watch = OverloadWatch(*places, logs.configure(), clock, target, self.memory, lambda: self.left)

    def after(self, seconds: float, delay: float = 0.0, busy: float = 1.0) -> None:
        """Let that time pass, in samples of this delay, with that share of the processor used."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.02 + delay
            self.watch.look(delay, self.now, busy)

    def is_let_in(self) -> bool:
        try:
            with self.calls.of("a"):
                return True
        except Overloaded:
            return False


def test_memory_shuts_at_nine_tenths_and_opens_lower() -> None:
    """In between it stays as it is, so that it does not flap."""
    place = Place()
    found = []
    for used in (0.89, 0.9, 0.87, 0.85):
        place.memory.used = used
        place.after(0.2)
        found.append(place.is_let_in())
    assert found == [True, False, False, True]
    assert place.watch.view().shed == {"memory": 2}


def test_few_descriptors_shut_it() -> None:
    """The last ones are for what is open, and for those who ask how the gateway is."""
    place = Place()
    place.left = 63
    place.after(0.2)
    assert not place.is_let_in()
    place.left = 128
    place.after(0.2)
    assert place.is_let_in() and place.watch.view().shed == {"files": 1}


def test_a_connection_that_could_not_be_made_shuts_it_for_a_second() -> None:
    """At once, and again each time."""
    place = Place()
    place.watch.note_exhausted()
    assert not place.is_let_in()
    place.after(0.9)
    assert not place.is_let_in()
    place.after(0.3)
    assert place.is_let_in()


def test_a_loop_that_is_late_sheds_unless_that_is_switched_off() -> None:
    """The delay is what counts, and only with a target."""
    late, off = Place(), Place(target=None)
    for place in (late, off):
        place.after(2.0, delay=0.2)
    assert [all(place.is_let_in() for _ in range(20)) for place in (late, off)] == [False, True]


def test_a_spell_is_logged_when_it_begins_and_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    """Once each, with its reason, and in the end with the number of shed calls; in between the status names it."""
    place = Place()
    place.memory.used = 0.95
    for _ in range(5):
        place.after(1.0)
        place.is_let_in()
    place.after(0.2)
    assert place.watch.view().shedding == ("memory",)
    place.memory.used = 0.1
    place.after(11.0)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["reason"]) for line in said] == [("overloaded", "memory"), ("overload_over", "memory")]
    assert said[1]["shed"] == 5 and place.watch.view().shedding == ()


def test_a_loop_that_waits_for_others_sheds_nothing() -> None:
    """Where other processes have the processor the loop is late with little work; it says so, and serves all."""
    place = Place()
    place.after(2.0, delay=0.2, busy=0.3)
    assert all(place.is_let_in() for _ in range(100))
    assert place.watch.view().delay == 0.2
    place.after(2.0, delay=0.2, busy=0.6)
    assert not all(place.is_let_in() for _ in range(100))
