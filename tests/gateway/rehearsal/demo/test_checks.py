"""Each promise is found broken when it is, and kept when it is."""

from fractions import Fraction
from math import comb
from typing import Any

import pytest

from gateway.rehearsal.demo.checks import DemoVerdict, StoryFacts, bounds, checks
from gateway.rehearsal.demo.ledger import Ledger
from gateway.rehearsal.demo.summary import figures, verdict
from tests.gateway.rehearsal.demo.samples import BROKEN, QUIET, ROLLED_BACK, call, facts, ledger, sums


def broken(noted: StoryFacts, books: Ledger) -> list[str]:
    return [check.title for check in checks(noted, books) if not check.kept]


def test_a_demo_that_went_well_keeps_every_promise() -> None:
    """All check marks, and the summary says so."""
    assert broken(facts(), ledger()) == []
    assert verdict(checks(facts(), ledger())) == "All 12 promises were kept."


def test_a_demo_that_never_began_keeps_none_that_matter() -> None:
    """Nothing seen is nothing kept; only the flips that cannot have happened did not."""
    assert broken(StoryFacts(), Ledger()) == [
        check.title for check in checks(StoryFacts(), Ledger()) if "conversation ch" not in check.title
    ]
    assert figures(StoryFacts(), Ledger()) == []


@pytest.mark.parametrize(
    ("spoilt", "title"),
    [
        ({"split_at": None}, "took up routing.yaml"),
        ({"broken_at": None}, "was left alone"),
        ({"actor": "somebody"}, "by itself"),
        ({"evidence": {"canary_requests": 151}}, "within 100 canary requests"),
        ({"evidence": {}}, "within 100 canary requests"),
        ({"applied_at": {"replica-1": ROLLED_BACK}}, "both replicas turned"),
        ({"applied_at": {"replica-1": ROLLED_BACK, "replica-2": ROLLED_BACK + 2}}, "both replicas turned"),
        ({"quiet_until": None}, "got no call after that"),
        ({"sums": {"v1": sums(), "v2": sums(cost_per_request_usd=None)}}, "costs is known"),
        ({"sums": {"v1": sums(), "v2": sums(unpriced=1)}}, "costs is known"),
        ({"sums": {"v1": sums()}}, "costs is known"),
        ({"rollbacks": 2}, "exactly one rollback"),
        ({"refused_at": None}, "kept the worse v3"),
        ({"verdict": None}, "kept the worse v3"),
        ({"verdict": DemoVerdict(0, "Passed: 0 of 60.", 0, 60)}, "kept the worse v3"),
    ],
)
def test_each_fact_that_is_not_as_promised_is_found(spoilt: dict[str, Any], title: str) -> None:
    """One fact is spoilt, and the promise that rests on it is broken."""
    assert any(title in each for each in broken(facts(**spoilt), ledger()))


def test_a_split_beyond_chance_is_found() -> None:
    """300 conversations without one on v2 are no accident at 5 %."""
    books = Ledger()
    for number in range(300):
        books.record(call("v1", BROKEN, conversation=number))
    assert "about 5% of the conversations went to v2" in broken(facts(), books)


def test_a_call_of_v2_after_the_rollback_is_found() -> None:
    """One is too many."""
    books = ledger()
    books.record(call("v2", ROLLED_BACK + 1, conversation=999))
    assert broken(facts(), books) == ["v2 got no call after that"]


def test_a_call_of_the_refused_version_is_found() -> None:
    """At 0 % there is none."""
    books = ledger()
    books.record(call("v3", QUIET + 1, conversation=999))
    assert broken(facts(), books) == ["the gate kept the worse v3 at 0 %"]


def test_a_flip_is_found_unless_the_split_was_being_changed() -> None:
    """Amid the trial it counts; over the rollback it does not."""
    amid, over = ledger(), ledger()
    amid.record(call("v2", BROKEN, conversation=0, turn=1))
    amid.record(call("v1", BROKEN + 1, conversation=0, turn=2))
    over.record(call("v1", ROLLED_BACK + 1, conversation=0, turn=1))
    over.record(call("v1", ROLLED_BACK + 2, conversation=0, turn=2))
    assert broken(facts(), amid) == ["no conversation changed its version"]
    assert broken(facts(first_failure_at=None), over) == []


@pytest.mark.parametrize("fields", [{"problem": "APIError: no"}, {"escalated": True}])
def test_what_a_client_noticed_is_found(fields: dict[str, Any]) -> None:
    """An error, and an answer that hands over to a person, are both noticed."""
    books = ledger()
    books.record(call(at=BROKEN, conversation=999, **fields))
    assert broken(facts(), books) == ["no client saw an error"]


def test_the_numbers_of_the_rollback() -> None:
    """From the break, from the first failure, until the last replica: each from where it is known best."""
    noted = facts()
    assert noted.canary_requests == 20
    assert noted.detection_seconds == pytest.approx(9.0)
    assert noted.propagation_seconds == pytest.approx(0.004)


@pytest.mark.parametrize("count", [0, 1, 20, 400, 2000])
def test_bounds_are_the_exact_ones(count: int) -> None:
    """Beyond either bound lies at most half of 1 in 10,000; one step nearer it would be more."""
    low, high = bounds(count, 0.05, 1e-4)
    chances = [comb(count, k) * Fraction(1, 20) ** k * Fraction(19, 20) ** (count - k) for k in range(count + 1)]
    half = Fraction(1, 20_000)
    assert sum(chances[:low]) <= half < sum(chances[: low + 1])
    assert sum(chances[high + 1 :]) <= half < sum(chances[high:])
