"""Places for calls: a bound for all, and room that a caller with many calls leaves to the others."""

import pytest

from gateway.errors import Overloaded
from gateway.overload.places import FairPlaces, Share


def fill(share: Share, most: int = 10_000) -> int:
    """Take places until one is refused; how many were taken."""
    for count in range(most):
        try:
            share.__enter__()
        except Overloaded:
            return count
    return most


def places(most: int = 2000, names: int = 5) -> FairPlaces:
    found = FairPlaces(most)
    found.follow(names)
    return found


def test_one_caller_alone_gets_three_of_four() -> None:
    """The rest is kept free for whoever comes; the refusal says whose share is used up."""
    calls = places()
    assert fill(calls.of("greedy")) == 1500
    with pytest.raises(Overloaded, match="This key has 1500 calls in flight"):
        calls.of("greedy").__enter__()
    assert calls.shed["share"] == 2 and calls.shed["in_flight"] == 0


def test_the_only_key_of_a_gateway_gets_all() -> None:
    """Where nobody else can come, nothing is kept free."""
    calls = places(names=1)
    assert fill(calls.of("app")) == 2000
    assert calls.shed["in_flight"] == 1


def test_each_of_those_who_come_later_finds_room() -> None:
    """Even beside three callers that take all they get there are places left for a fourth."""
    calls = places()
    taken = [fill(calls.of(name)) for name in ("a", "b", "c")]
    assert taken[0] > taken[1] > taken[2]
    with calls.of("late"):
        assert calls.of("late").taken == 1


def test_whoever_has_much_gets_nothing_of_what_becomes_free() -> None:
    """Places that a greedy caller gives back go to the others until all have as much."""
    calls = places()
    fill(calls.of("greedy"))
    fill(calls.of("other"))
    for _ in range(400):
        calls.of("greedy").__exit__()
    assert fill(calls.of("other")) > 200
    assert fill(calls.of("greedy")) == 0


def test_a_place_is_given_back_however_the_call_ends() -> None:
    """An error inside leaves no place taken."""
    calls = places()
    with pytest.raises(KeyError), calls.of("a"):
        raise KeyError
    assert (calls.taken, calls.of("a").taken) == (0, 0)


def test_guarded_places_ask_the_guard_and_count_its_reason() -> None:
    """Only while they are guarded; without a reason the call is let in."""
    calls = places()
    calls.guard = lambda share: "memory" if share.name == "a" else None
    with calls.of("a"):
        pass
    calls.is_guarded = True
    with pytest.raises(Overloaded, match="short of memory"):
        calls.of("a").__enter__()
    with calls.of("b"):
        assert calls.taken == 1
    assert calls.shed["memory"] == 1


def test_names_without_calls_are_forgotten_when_there_are_too_many() -> None:
    """Shares do not grow without end."""
    calls = places()
    calls.of("busy").__enter__()
    for number in range(10_500):
        calls.of(f"n{number}")
    assert len(calls.shares) <= 10_000 and calls.of("busy").taken == 1
