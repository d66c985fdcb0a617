"""What clients saw is booked once, and counted rightly."""

from gateway.rehearsal.demo.ledger import ClientCall, Ledger, openings, shares
from tests.gateway.rehearsal.demo.samples import call


def booked(*calls: ClientCall) -> Ledger:
    ledger = Ledger()
    for each in calls:
        ledger.record(each)
    return ledger


def test_a_change_of_version_within_a_conversation_is_a_flip() -> None:
    """Two turns on different versions, while nobody changed the split, count as one flip."""
    assert booked(call("v1", 1.0), call("v2", 2.0, turn=1), call("v2", 3.0, turn=2)).flips() == 1


def test_conversations_are_told_apart() -> None:
    """Different versions for different conversations are what a split is for."""
    assert booked(call("v1", 1.0, conversation=1), call("v2", 2.0, conversation=2)).flips() == 0


def test_a_change_of_the_split_excuses_a_flip() -> None:
    """A conversation that goes on over a rollback rightly moves to stable; one that moves later does not."""
    ledger = booked(call("v2", 1.0), call("v1", 2.0, turn=1))
    assert ledger.flips([(1.5, 1.6)]) == 0
    assert ledger.flips([(0.0, 0.9)]) == 1
    assert ledger.flips([(2.2, 2.3)]) == 1


def test_errors_are_booked_with_what_the_client_had_to_catch() -> None:
    """A call with a problem is an error, and no part of the split."""
    ledger = booked(call("", problem="APIConnectionError: gone"), call("v1"))
    assert (ledger.total, ledger.errors, ledger.problems) == (2, 1, {"APIConnectionError: gone": 1})
    assert shares(ledger.since(0.0)) == {"v1": 1.0}


def test_what_a_retry_saved_is_no_error() -> None:
    """A call that needed a second attempt was rescued; one that failed for good was not."""
    ledger = booked(call(attempts=2), call(attempts=3, problem="InternalServerError: no"), call())
    assert (ledger.rescued, ledger.errors) == (1, 1)


def test_shares_are_of_calls_and_openings_of_conversations() -> None:
    """Later turns count for the share of the traffic, but do not draw anew."""
    calls = [call("v1"), call("v1", turn=1), call("v1", turn=2), call("v2", conversation=1)]
    assert shares(calls) == {"v1": 0.75, "v2": 0.25}
    assert openings(calls) == {"v1": 1, "v2": 1}


def test_calls_are_found_by_when_they_began() -> None:
    """From the start, which is included, until before the end."""
    ledger = booked(call(at=1.0), call(at=2.0), call(at=3.0))
    assert [each.started_at for each in ledger.since(2.0, 3.0)] == [2.0]


def test_the_pace_is_that_of_the_last_seconds() -> None:
    """Six calls in three seconds are two a second; older ones do not count."""
    assert booked(*(call(at=float(at)) for at in range(1, 10)), *(call(at=9.5) for _ in range(3))).rate(10.0) == 2.0


def test_a_conversation_that_is_over_is_forgotten() -> None:
    """Hours of traffic leave no conversations behind."""
    ledger = booked(call("v1", 1.0))
    ledger.forget(0)
    ledger.record(call("v2", 2.0))
    assert ledger.flips() == 0
