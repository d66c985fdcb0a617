"""Leases of a limit over many replicas: a model of the store's script under the real ledgers."""

import random
from dataclasses import dataclass

import pytest

from gateway.limits.ledger import FULL, LeaseLedger, Limit
from gateway.limits.windows import Calendar, Window
from gateway.store.limits import Grant
from tests.support.limit_model import Crew


@dataclass
class Patient:
    """A call that waits for a lease."""

    amount: int
    told: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Return whether nobody has told it anything."""
        return self.told is None

    def tell(self, slice_: str) -> None:
        """Remember what it is told."""
        self.told = slice_


RUNS, STEPS = 200, 300  # of each window; `python -m tests.support.limit_model` makes 100,000
DAY = 24 * 3600.0


@pytest.mark.parametrize(("seconds", "amount"), [(DAY, 20_000_000_000), (60.0, 600), (3600.0, 1_000)])
def test_replicas_that_crash_never_spend_more_than_the_limit(seconds: float, amount: int) -> None:
    """In random interleavings of eight replicas no window holds more than the limit, whoever dies or is not heard."""
    limit, worst, full = Limit("key", "app", "usd", Window("rolling", seconds), amount), 0, 0
    for seed in range(RUNS):
        crew = Crew(limit, random.Random(seed))
        for _ in range(STEPS):
            crew.step()
        worst, full = max(worst, crew.worst), full + (crew.worst > 0.7 * amount)
    assert worst <= amount
    assert full >= RUNS // 5, "runs come near the limit, so that the bound says something"


def test_a_failover_costs_what_it_lost() -> None:
    """A store that loses what it did last, again and again, is overspent by what it had granted in that time."""
    limit, lost = Limit("key", "app", "usd", Window("24h", DAY), 20_000_000_000), 0
    for seed in range(RUNS):
        crew = Crew(limit, random.Random(seed), failovers=True)
        for _ in range(STEPS):
            crew.step()
        assert crew.worst <= limit.amount + crew.lost
        lost += crew.lost > 0
    assert lost >= RUNS // 5, "so that the bound says something"


def test_a_calendar_period_is_a_days_in_its_zone() -> None:
    """A day, a week and a month begin at midnight of the zone, also where the clocks change in between."""
    noon = 1_774_782_000.0  # 29 March 2026, 13:00 in Berlin, an hour after midnight became summer time

    def hours(calendar: Calendar) -> tuple[float, float]:
        begin, end = Window(calendar, calendar=calendar, zone="Europe/Berlin").period(noon) or (0, 0)
        return (noon - begin) / 3600, (end - begin) / 3600

    assert hours("day") == (12, 23)
    assert hours("week")[1] == 7 * 24 - 1
    assert hours("month")[1] == 31 * 24 - 1


def test_a_lease_goes_on_while_the_next_one_is_asked_for() -> None:
    """No call waits for the reply: what is free stays free, and one slice's leases add up."""
    ledger = LeaseLedger(Limit("key", "app", "requests", Window("1h", 3600.0), 1000))
    ledger.take(Grant(10, "7", 10, 0.0, 0.0), sent_at=0.0)
    question = ledger.question(1.0)
    assert ledger.reserve(4, 1.0)
    ledger.take(Grant(question.ask, "7", 20, 0.0, 0.0), sent_at=1.0)
    assert ledger.free == 6 + question.ask


def test_what_an_old_lease_has_left_goes_back_to_its_slice() -> None:
    """A grant of the next slice takes the lease's place; the rest is given back where it was taken."""
    ledger = LeaseLedger(Limit("key", "app", "requests", Window("1h", 3600.0), 1000))
    ledger.take(Grant(10, "7", 10, 0.0, 0.0), sent_at=0.0)
    assert ledger.reserve(3, 1.0)
    ledger.take(Grant(5, "8", 15, 0.0, 0.0), sent_at=2.0)
    ledger.settle(3, "7", 1, 3.0)
    assert ledger.question(4.0).back == {"7": 7 + 2}


def test_a_lease_that_has_lapsed_carries_no_call() -> None:
    """Thirty seconds after it was asked for a lease is over, whatever it has left."""
    ledger = LeaseLedger(Limit("key", "app", "usd", Window("24h", DAY), 1000))
    ledger.take(Grant(10, "7", 10, 0.0, 0.0), sent_at=0.0)
    assert ledger.reserve(1, 29.9)
    assert not ledger.reserve(1, 30.0)


def test_a_call_that_took_more_than_its_estimate_is_charged() -> None:
    """What the lease cannot cover goes to the store as a charge, also where the first reply to it is lost."""
    ledger = LeaseLedger(Limit("key", "app", "usd", Window("24h", DAY), 1000))
    ledger.take(Grant(10, "7", 10, 0.0, 0.0), sent_at=0.0)
    assert ledger.reserve(8, 1.0)
    ledger.settle(8, "7", 15, 2.0)
    asked = ledger.question(3.0)
    assert (asked.charge, ledger.free) == (5, 0)


@pytest.mark.parametrize(("had", "charge"), [(0, 5), (1, 0)])
def test_a_question_without_a_reply_is_told_again_unless_the_store_has_heard_of_it(had: int, charge: int) -> None:
    """Its charge, and what it gave back, count once: the next reply says which question came before."""
    ledger = LeaseLedger(Limit("key", "app", "usd", Window("24h", DAY), 1000))
    ledger.back, ledger.charge = {"7": 3}, 5
    ledger.lose(ledger.question(3.0))
    second = ledger.question(4.0)
    assert (second.back, second.charge) == ({}, 0), "nobody knows yet"
    ledger.take(Grant(0, "7", 10, 0.0, 0.0, had), 4.0, second)
    third = ledger.question(5.0)
    assert (third.back, third.charge) == (({}, 0) if had else ({"7": 3}, charge))


def test_what_a_failover_lost_is_told_again() -> None:
    """A store that has heard of fewer questions than it answered is told of the others' grants, once."""
    ledger = LeaseLedger(Limit("key", "app", "usd", Window("24h", DAY), 1000))
    for number in range(1, 4):
        ledger.take(Grant(10, "7", 0, 0.0, 0.0, number - 1), float(number), ledger.question(float(number)))
    ledger.take(Grant(0, "8", 0, 0.0, 0.0, had=1), 5.0, ledger.question(5.0))
    assert ledger.is_due(5.0)
    told = ledger.question(5.0)
    assert told.again == {"7": 20}
    ledger.take(Grant(0, "8", 0, 0.0, 0.0, had=4), 5.1, told)
    assert ledger.question(6.0).again == {}


def test_who_waits_first_is_served_first() -> None:
    """A call that came later gets its lease later, and one for which nothing is left is told so."""
    ledger = LeaseLedger(Limit("key", "app", "requests", Window("1h", 3600.0), 10))
    calls = [Patient(amount) for amount in (6, 5, 3)]
    ledger.waiters.extend(calls)
    asked = ledger.question(0.0)
    assert asked.wants == [6, 5, 3]
    ledger.take(Grant(9, "7", 9, 100.0, 0.0), 0.0, asked)
    ledger.serve(0.0)
    assert [call.told for call in calls] == ["7", FULL, "7"]


def test_a_waiting_call_is_not_refused_while_there_is_room() -> None:
    """What another call took from under it is asked for again; only the store's word refuses it."""
    ledger = LeaseLedger(Limit("key", "app", "requests", Window("1h", 3600.0), 10))
    asked = ledger.question(0.0)
    ledger.waiters.append(call := Patient(1))
    ledger.take(Grant(0, "7", 0, 0.0, 0.0), 0.0, asked)
    ledger.serve(0.0)
    assert call.is_waiting and ledger.is_due(0.0)
