"""Which calls are evidence while a circuit is not closed: never by their arm."""

from policies.evidence.exposure import GRACE, Exposure


def test_with_both_circuits_closed_every_call_is_evidence() -> None:
    """That is the usual case, and no count runs."""
    exposure = Exposure()
    assert all(exposure.admits(True, True, sampled=False) for _ in range(2 * GRACE))


def test_with_both_circuits_open_no_call_is_evidence() -> None:
    """An outage of both arms blames nobody, and their circuits spare everybody."""
    exposure = Exposure()
    assert not any(exposure.admits(False, False, sampled=True) for _ in range(10))


def test_with_one_circuit_open_the_next_calls_are_tried_all_the_same() -> None:
    """So a canary that fails alone is seen as fast as if there were no circuit."""
    for closed in ((True, False), (False, True)):
        exposure = Exposure()
        assert all(exposure.admits(*closed, sampled=False) for _ in range(GRACE))
        assert not exposure.admits(*closed, sampled=False)


def test_a_sample_of_the_units_stays_evidence() -> None:
    """However small the canary's share is, its circuit does not hide it for ever."""
    exposure = Exposure()
    for _ in range(GRACE):
        exposure.admits(True, False, sampled=False)
    assert [exposure.admits(True, False, sampled) for sampled in (False, True, False)] == [False, True, False]


def test_the_count_begins_anew_when_the_circuits_agree_again() -> None:
    """Each time that one circuit alone opens is a question of its own."""
    for both in (True, False):
        exposure = Exposure()
        for _ in range(GRACE + 1):
            exposure.admits(True, False, sampled=False)
        exposure.admits(both, both, sampled=False)
        assert exposure.admits(True, False, sampled=False)
