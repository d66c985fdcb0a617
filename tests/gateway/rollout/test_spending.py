"""What a call has cost: every attempt once, in the part that it belongs to, and the whole for its conversation."""

from dataclasses import replace

import pytest

from gateway.calls import Attempt, Outcome, Usage
from gateway.rollout.spending import CANCELLED, FALLBACK, HEDGE, SHADOW, spend
from gateway.store.cells import Spending
from gateway.store.costs import OTHER
from routing.assignment import conversation_unit
from tests.support.trials import outcome

UNIT = conversation_unit("web", "c1")


def attempt(target: str = "p/m", cost: int | None = 10, failed: bool = False, estimated: bool = False) -> Attempt:
    usage = Usage(7, 2, 5, 1, estimated=estimated)
    return Attempt(target, 99.5, failure="status" if failed else None, counts=failed, usage=usage, cost_nano_usd=cost)


def spent(call: Outcome) -> Spending:
    spending = Spending()
    spend(replace(call, unit=call.unit if call.unit != "u" else UNIT), "v1", spending)
    return spending


def parts(call: Outcome) -> dict[tuple[str, str], tuple[int, int]]:
    """The calls and the cost of each target and part."""
    return {(target, part): (row[0], row[5]) for (_, _, target, part), row in spent(call).rows.items()}


def test_an_answer_is_a_row_of_its_version_caller_and_target() -> None:
    """With its tokens by kind."""
    assert spent(outcome(None, attempt(estimated=True))).rows == {("v1", "web", "p/m", ""): [1, 7, 2, 5, 1, 10, 0, 1]}
    assert spent(outcome(None, attempt(cost=None))).rows == {("v1", "web", "p/m", ""): [1, 7, 2, 5, 1, 0, 1, 0]}


def test_a_model_that_has_never_answered_takes_no_row() -> None:
    """Clients invent names; what they have cost is still their key's."""
    spending = Spending()
    for number in range(100):
        spend(outcome(None, attempt(f"p/made-up-{number}")), OTHER, spending)
    assert list(spending.rows) == [(OTHER, "web", "", "")]


def test_a_fallback_is_a_part_of_its_own() -> None:
    """What the failed attempt has cost stays its target's; a retry at the same target is no fallback."""
    call = outcome(None, attempt(failed=True), attempt(failed=True), attempt("q/m", 30))
    assert parts(call) == {("p/m", ""): (0, 20), ("q/m", FALLBACK): (1, 30)}


@pytest.mark.parametrize(("end", "beside", "answer"), [("won", "p/m", "q/m"), ("lost", "q/m", "p/m")])
def test_what_a_hedge_has_cost_is_what_nobody_got(end: str, beside: str, answer: str) -> None:
    """Of the two attempts the one that was cancelled."""
    call = outcome(None, attempt("p/m", 10), attempt("q/m", 20))
    call.hedge = "won" if end == "won" else "lost"
    if end == "won":
        call.attempts[0].failure = "overtaken"
    found = parts(call)
    assert set(found) == {(beside, HEDGE), (answer, "")} and found[answer, ""][0] == 1 and found[beside, HEDGE][0] == 0


def test_copies_and_cancelled_calls_are_apart() -> None:
    """Whoever left has cost what was generated until then."""
    assert set(parts(outcome(None, attempt(), reason="shadow"))) == {("p/m", SHADOW)}
    assert set(parts(outcome(None, attempt(), end="client_gone"))) == {("p/m", CANCELLED)}
    assert parts(replace(outcome(None), attempts=[])) == {}


def test_a_conversation_has_cost_all_of_its_attempts() -> None:
    """It is told by what drew its arm, by its unit, or by the client's name for it; a single call is none."""
    call = outcome(None, attempt(failed=True), attempt("q/m", 30))
    by_unit = spent(call).conversations
    assert list(by_unit.values()) == [(40, "c")]
    assert list(spent(replace(call, drawn="0123456789abcdef")).conversations) == [("v1", "0123456789abcdef")]
    by_name = spent(replace(call, unit="a user", conversation="c1")).conversations
    assert by_name == by_unit, "under whatever unit, it is the same conversation"
    assert not spent(replace(call, unit="a user")).conversations


def test_a_cost_that_is_not_known_makes_no_conversation_cheap() -> None:
    """Without a price, or without usage, it is left out; so is a copy, which the client's conversation did not need."""
    unreported = Attempt("p/m", 99.5)
    for call in (outcome(None, attempt(cost=None)), outcome(None, unreported), outcome(None, unreported, attempt())):
        assert not spent(call).conversations
    assert not spent(outcome(None, attempt(), reason="shadow")).conversations
    failed = replace(unreported, failure="connect")
    assert list(spent(outcome(None, failed, attempt("q/m"))).conversations.values()) == [(10, "c")]
