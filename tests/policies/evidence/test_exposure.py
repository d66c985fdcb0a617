"""Which calls are evidence while a circuit is not closed: never by their arm."""

from collections.abc import Iterable

from policies.evidence.exposure import EACH, GRACE, REFILL, Exposure

ONE_OPEN = ((True, False), (False, True))


def admitted(exposure: Exposure, units: Iterable[object], closed: tuple[bool, bool] = (True, False)) -> list[bool]:
    """What becomes of one call of each of these units."""
    return [exposure.admits(*closed, f"unit {unit}") for unit in units]


def test_with_both_circuits_closed_every_call_is_evidence() -> None:
    """That is the usual case, and no count runs."""
    assert all(admitted(Exposure(), [1] * 2 * GRACE, (True, True)))


def test_with_both_circuits_open_no_call_is_evidence() -> None:
    """An outage of both arms blames nobody, and their circuits spare everybody."""
    assert not any(admitted(Exposure(), range(10), (False, False)))


def test_with_one_circuit_open_the_next_calls_are_tried_all_the_same() -> None:
    """So a canary that fails alone is seen as fast as if there were no circuit."""
    for closed in ONE_OPEN:
        assert all(admitted(Exposure(), range(GRACE), closed))


def test_a_unit_takes_a_handful_of_calls_whichever_circuit_is_open() -> None:
    """What it has to show is shown then, and conversations that come later have their turn."""
    for closed in ONE_OPEN:
        exposure = Exposure()
        assert admitted(exposure, [1] * 10, closed) == [True] * EACH + [False] * (10 - EACH)
        assert all(admitted(exposure, range(2, 100), closed))


def test_long_conversations_are_all_shown() -> None:
    """A few calls of each are less than an eighth of all, however many conversations come one after the other."""
    exposure = Exposure()
    for number in range(1000):
        assert admitted(exposure, [number] * 50) == [True] * EACH + [False] * (50 - EACH)


def test_an_eighth_of_short_conversations_goes_on_to_be_shown() -> None:
    """However small the canary's share is, its circuit does not hide it for ever."""
    exposure = Exposure()
    admitted(exposure, range(2 * GRACE))
    assert sum(admitted(exposure, range(2 * GRACE, 2 * GRACE + 800))) == 800 // REFILL


def test_who_has_begun_is_shown_whole() -> None:
    """A conversation that was let in when little was left has its other calls tried, too."""
    exposure = Exposure()
    admitted(exposure, range(2 * GRACE))
    begun = next(number for number in range(5000, 5100) if all(admitted(exposure, [number])))
    others = iter(range(6000, 6100))
    assert [admitted(exposure, [begun, next(others)]) for _ in range(EACH - 1)] == [[True, False]] * (EACH - 1)


def test_never_more_than_twice_the_allowance_is_tried_at_once() -> None:
    """Many long conversations side by side make no more clients wait."""
    exposure = Exposure()
    calls = [number for _ in range(EACH) for number in range(3 * GRACE)]
    assert sum(admitted(exposure, calls)) <= 2 * GRACE + len(calls) // REFILL


def test_the_count_begins_anew_when_the_circuits_agree_again() -> None:
    """Each time that one circuit alone opens is a question of its own."""
    for both in (True, False):
        exposure = Exposure()
        admitted(exposure, [1] * 10)
        admitted(exposure, [1], (both, both))
        assert all(admitted(exposure, [1] * EACH))


def test_units_are_forgotten_before_they_fill_the_memory() -> None:
    """Those that were shown first are; they may be shown again."""
    exposure = Exposure()
    admitted(exposure, range(100_000))
    admitted(exposure, [each for number in range(9000) for each in [f"long {number}"] * 50])
    assert len(exposure._shown) <= 4096
