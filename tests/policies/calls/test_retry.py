"""After a failed attempt: the move, the wait, the budget and the circuit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.calls.retry import Backoff, Circuit, Move, RetryBudget, is_outage, next_move, tells_ill_health


@pytest.mark.parametrize(
    ("kind", "status", "move"),
    [
        ("connect", None, "retry"),
        ("timeout", None, "next"),
        ("lost", None, "next"),
        ("malformed", 200, "next"),
        ("status", None, "next"),
        *(("status", status, "retry") for status in (408, 409, 429, 500, 502, 503, 504, 529)),
        *(("status", status, "next") for status in (401, 402, 403, 404, 405, 425, 501, 599)),
        *(("status", status, "give_up") for status in (302, 400, 413, 422)),
    ],
)
def test_what_a_failure_asks_for(kind: str, status: int | None, move: Move) -> None:
    """Again where nothing can be billed twice, elsewhere where another may serve it, nowhere for a client's mistake."""
    assert next_move(kind, status, None) == move


@pytest.mark.parametrize(("status", "move"), [(429, "next"), (503, "next"), (408, "next"), (400, "give_up")])
def test_a_provider_that_says_no_is_not_asked_again(status: int, move: Move) -> None:
    """`x-should-retry: false` rules out the same target, not the next."""
    assert next_move("status", status, should_retry=False) == move


@pytest.mark.parametrize("status", [400, 404, 501])
def test_a_provider_that_says_yes_is_asked_again(status: int) -> None:
    """`x-should-retry: true` makes any status worth another try."""
    assert next_move("status", status, should_retry=True) == "retry"


@pytest.mark.parametrize("should_retry", [None, False])
def test_a_parameter_of_the_version_that_is_refused_may_suit_another_target(should_retry: bool | None) -> None:
    """It is not the client's mistake, so the call goes on."""
    assert next_move("status", 400, should_retry, blames_version=True) == "next"


@pytest.mark.parametrize(
    ("kind", "status", "ill"),
    [
        ("connect", None, True),
        ("lost", None, True),
        ("timeout", None, True),
        ("status", 500, True),
        ("status", 501, False),
        ("status", 429, False),
        ("status", None, False),
        ("malformed", 200, False),
    ],
)
def test_what_a_circuit_should_hear_of(kind: str, status: int | None, ill: bool) -> None:
    """A target that answers, and be it with a 4xx, is well."""
    assert tells_ill_health(kind, status) is ill


@given(st.integers(1, 100), st.floats(0, 1), st.floats(0, 1000))
def test_a_wait_is_within_its_bounds(failures: int, draw: float, retry_after: float) -> None:
    """Never below Retry-After; without it never above the cap, nor above base * 2^(n-1)."""
    backoff = Backoff(base=0.25, cap=5.0)
    assert 0 <= backoff.delay(failures, draw, None) <= min(5.0, 0.25 * 2 ** (failures - 1))
    assert backoff.delay(failures, draw, retry_after) == max(backoff.delay(failures, draw, None), retry_after)


def test_the_waits_double() -> None:
    """At the upper end of the jitter: base, twice the base, and so on to the cap."""
    assert [Backoff(0.25, 1.5).delay(n, 1.0, None) for n in (1, 2, 3, 4)] == [0.25, 0.5, 1.0, 1.5]


def test_retries_never_make_a_storm() -> None:
    """200 calls that all fail, each with up to 4 attempts: at most 1.2 * 200 + 20 attempts."""
    budget, attempts = RetryBudget(), 0
    for _ in range(200):
        budget.deposit()
        attempts += 1 + sum(budget.withdraw() for _ in range(3))
    assert 240 <= attempts <= 1.2 * 200 + 20


def test_quiet_hours_do_not_fill_the_budget_without_bound() -> None:
    """After a million good calls a burst gets the reserve and no more."""
    budget = RetryBudget(ratio=1.0, reserve=3.0)
    for _ in range(1000):
        budget.deposit()
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def opened() -> Circuit:
    """A circuit that opened at 100 seconds, for ten."""
    circuit = Circuit(failures=3, open_for=10.0)
    for _ in range(3):
        circuit.failed(100.0)
    return circuit


def test_failures_in_a_row_open_a_circuit() -> None:
    """Not before the last of them, and a success in between begins the row anew."""
    circuit = Circuit(failures=2)
    for failed in (True, False, True):
        assert circuit.allows(0.0)
        circuit.failed(0.0) if failed else circuit.succeeded()
    assert circuit.state(0.0) == "closed"
    circuit.failed(0.0)
    assert (circuit.state(0.0), circuit.allows(0.0)) == ("open", False)


@pytest.mark.parametrize(
    ("served", "now", "state"),
    [
        ("ann", 10.0, "closed"),
        ("ann", 69.9, "closed"),
        ("ann", 70.0, "open"),
        ("bob", 10.0, "open"),
        ("", 10.0, "open"),
    ],
)
def test_one_party_alone_opens_no_circuit(served: str, now: float, state: str) -> None:
    """Not while another was served a minute ago; where nobody else calls, it does."""
    circuit = Circuit(failures=3, open_for=10.0)
    circuit.succeeded(served, 10.0)
    for _ in range(9):
        circuit.failed(now, "bob")
    assert circuit.state(now) == state


def test_failures_of_two_parties_open_a_circuit() -> None:
    """Whoever was served before: the target fails more than one of them. So do failures of nobody in particular."""
    for parties in (["bob", "bob", "cat"], ["cat", "bob", "bob"], ["", "", ""]):
        circuit = Circuit(failures=3)
        circuit.succeeded("ann", 10.0)
        for party in parties:
            circuit.failed(11.0, party)
        assert circuit.state(11.0) == "open"


def test_an_open_circuit_lets_one_probe_through_when_its_time_is_over() -> None:
    """The second caller does not wait for the probe: it goes elsewhere."""
    circuit = opened()
    assert not circuit.allows(109.9)
    assert circuit.state(110.0) == "half_open"
    assert [circuit.allows(110.0), circuit.allows(110.0)] == [True, False]


def test_a_probe_that_succeeds_closes_the_circuit() -> None:
    """For everybody, and with no failures in its row."""
    circuit = opened()
    assert circuit.allows(110.0)
    circuit.succeeded()
    circuit.failed(110.0)
    assert (circuit.state(110.0), circuit.allows(110.0)) == ("closed", True)


def test_a_probe_that_fails_opens_the_circuit_again() -> None:
    """One is enough, and the time begins anew."""
    circuit = opened()
    assert circuit.allows(110.0)
    circuit.failed(111.0)
    assert [circuit.allows(120.9), circuit.allows(121.0)] == [False, True]


def test_a_probe_that_was_abandoned_is_free_again() -> None:
    """The client left: the next caller may find out."""
    circuit = opened()
    assert circuit.allows(110.0)
    circuit.abandoned()
    assert circuit.allows(110.0)


def test_a_probe_that_never_reports_back_does_not_block_for_ever() -> None:
    """After another `open_for` seconds the next one goes out."""
    circuit = opened()
    assert [circuit.allows(now) for now in (110.0, 119.9, 120.0)] == [True, False, True]


@pytest.mark.parametrize(("status", "outage"), [(500, True), (503, True), (501, False), (400, False), (404, False)])
def test_which_statuses_speak_of_an_outage(status: int, outage: bool) -> None:
    """A provider that fails; not one that finds something wrong with the request."""
    assert is_outage(status) is outage


def test_a_circuit_that_nobody_asks_for_is_idle_after_a_while() -> None:
    """So is a closed one; what is open, or is tried again and again, is not."""
    circuit = opened()
    assert [circuit.is_idle(now) for now in (100.0, 159.0, 160.0)] == [False, False, True]
    circuit.allows(155.0)
    circuit.abandoned()
    circuit.allows(156.0)
    assert not circuit.is_idle(160.0)
    circuit.succeeded()
    assert circuit.is_idle(160.0)
