"""Which calls count as turns of a conversation on trial."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.calls import Attempt, Outcome
from gateway.errors import FailureKind
from gateway.rollout.turns import count_turn
from gateway.store import MAX_FAILING_UNITS, Arm
from gateway.store.seam import UnitTurns
from policies.guardrails.thresholds import Thresholds
from tests.gateway.rollout.stage import Stage
from tests.support.trials import PRICES, outcome


def counted(*outcomes: Outcome) -> list[UnitTurns]:
    arm = Arm()
    for each in outcomes:
        count_turn(each, arm)
    return list(arm.turns.values())


def failed(failure: FailureKind | None) -> Outcome:
    return outcome("canary", Attempt("p/m", 99.5, failure=failure))


def test_calls_of_one_conversation_are_counted_together() -> None:
    """The first of them says that it begins; another conversation is apart."""
    first, other = outcome(), outcome(unit="v")
    first.begins, first.party = True, "c1"
    arm = Arm()
    for each in (first, outcome(), outcome(), other):
        count_turn(each, arm)
    assert list(arm.turns.values()) == [UnitTurns(3, begins=True), UnitTurns(1)]
    assert arm.party_of == {next(iter(arm.turns)): "c1"}


def test_what_continues_an_answer_is_a_turn_of_its_conversation() -> None:
    """A provider that keeps the history has no words to tell it by: the bucket that drew the arm does."""
    first, second, third = outcome(), outcome(unit="after resp_1"), outcome(unit="after resp_2")
    arm = Arm()
    count_turn(first, arm)
    second.drawn = third.drawn = next(iter(arm.turns))
    count_turn(second, arm)
    count_turn(third, arm)
    assert list(arm.turns.values()) == [UnitTurns(3)]


def test_conversations_of_an_earlier_step_or_known_by_words_do_not_count() -> None:
    """On either arm: the step that ends cuts them off, and of those that are told by words several may be one."""
    earlier, by_words, refused = outcome(), outcome(), outcome(end="refused")
    earlier.origin, by_words.by_words = 4, True
    refused.attempts.clear()
    assert counted(earlier, by_words, refused) == []


def test_a_person_is_a_turn_too() -> None:
    """Whether or not a target was asked."""
    escalated = outcome(end="escalated")
    escalated.attempts.clear()
    assert counted(escalated) == [UnitTurns(1)]


@pytest.mark.parametrize(
    ("failure", "is_lost"),
    [(None, False), ("bad_tool_arguments", False), ("overtaken", False), ("status", True), ("timeout", True)],
)
def test_a_failure_whose_answer_nobody_saw_is_a_loss(failure: FailureKind | None, is_lost: bool) -> None:
    """A fallback's answer is no turn of the version."""
    assert counted(failed(failure)) == [UnitTurns(1, is_lost=is_lost)]


def test_a_batch_has_room_for_so_many() -> None:
    """While the store is away; conversations that are counted go on."""
    arm = Arm(turns={str(number): UnitTurns() for number in range(MAX_FAILING_UNITS)})
    count_turn(outcome(), arm)
    assert len(arm.turns) == MAX_FAILING_UNITS


@pytest.mark.parametrize(
    ("changes", "is_counted"),
    [({}, True), ({"censored": True}, False), ({"held": True}, False), ({"thresholds": Thresholds()}, False)],
)
def test_turns_are_counted_where_they_are_watched(changes: dict[str, Any], is_counted: bool) -> None:
    """Not of calls that are no evidence, whatever they show."""
    call = replace(outcome("canary"), **{"thresholds": Thresholds(has_turns=True), **changes})
    recorder = Stage().recorder
    recorder.close(call, PRICES)
    batch = recorder.take("a")
    assert batch is not None and bool(batch.canary.turns) is is_counted
