"""How many of a unit's calls were bad: counted within bounds."""

from gateway.rollout.repeats import Repeats


def test_a_units_bad_calls_are_counted_as_far_as_they_matter() -> None:
    """By agent, step and kind; the seventeenth says nothing more."""
    repeats = Repeats()
    assert [repeats.add("a", 1, "errors", "u") for _ in range(18)] == [*range(1, 17), 0, 0]
    others = [("b", 1, "errors"), ("a", 2, "errors"), ("a", 1, "rejections")]
    assert [repeats.add(*other, "u") for other in others] == [1, 1, 1] and len(repeats) == 4


def test_the_busiest_agent_forgets_first_what_was_bad_least_lately() -> None:
    """A flood of one agent's units takes no other agent's counts, and no memory."""
    repeats = Repeats(most=10)
    repeats.add("quiet", 1, "errors", "u")
    for number in range(100):
        repeats.add("busy", 1, "errors", str(number))
        repeats.add("busy", 1, "errors", "steady")
    assert len(repeats) == 10 and repeats.add("quiet", 1, "errors", "u") == 2
    assert repeats.add("busy", 1, "errors", "steady") == 0 and repeats.add("busy", 1, "errors", "5") == 1
