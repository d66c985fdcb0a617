"""Turns of conversations on trial, as the store adds them up over all replicas.

Which calls count is known before an arm answers. What a failure hides of stable counts as a long conversation, and of
the canary as none: its conversation is counted no further (decisions 34 and 69).
"""

from gateway.calls import Outcome
from gateway.rollout.weighing import drawing_unit
from gateway.store.seam import MAX_FAILING_UNITS, Arm, UnitTurns

_WHOLE = (None, "bad_tool_arguments", "overtaken")  # failures of an attempt whose conversation goes on by the version


def count_turn(outcome: Outcome, arm: Arm) -> None:
    """Count a call for the conversation whose bucket drew the arm.

    Conversations that began in an earlier step are left out on either arm, and so are later turns that the words of an
    answer tell: of those several may be one. What the gateway refused itself never was a turn.
    """
    if outcome.origin or outcome.by_words or not (outcome.attempts or outcome.end == "escalated"):
        return
    unit = drawing_unit(outcome)
    turns = arm.turns.get(unit)
    if turns is None:
        if len(arm.turns) >= MAX_FAILING_UNITS:
            return
        turns = arm.turns[unit] = UnitTurns()
    turns.calls += 1
    turns.begins |= outcome.begins
    turns.is_lost |= bool(outcome.attempts) and outcome.attempts[0].failure not in _WHOLE
    if outcome.party:
        arm.party_of.setdefault(unit, outcome.party)
