"""The gate before a rollout: what lets a canary in, what keeps it at 0 %, and who may pass it all the same."""

from dataclasses import replace

import pytest

from policies.rollout.gate import Evaluated, Gate
from policies.rollout.rollout import decide, reconcile
from policies.rollout.state import Intent, State
from policies.rollout.verbs import Command, Refused, act
from tests.policies.evidences import BAD
from tests.policies.rollout.records import STEPS, V1, V2, V3, after, findings, rolled_back, running

DAY = 86_400.0
PASSED = Evaluated(V2.digest, V1.digest, "evals/s.yaml", True, "Passed: 0 of 60 cases worse.", at=0.0)
GATE = Gate("support", "evals/s.yaml", 30 * DAY, PASSED)
WAY = ": run 'serinus eval support@v2 --record' and commit what it writes"


def gated(evaluated: Evaluated | None = PASSED, **changes: object) -> Intent:
    """The intent of a trial whose canary needs an evaluation."""
    return replace(STEPS, gate=replace(GATE, evaluated=evaluated), **changes)  # type: ignore[arg-type]


def pending() -> State:
    """A canary without an evaluation, at epoch 1."""
    return after(reconcile(None, gated(None), now=10.0))


@pytest.mark.parametrize(
    ("evaluated", "now", "reason"),
    [
        (None, 0.0, f"v2 has no evaluation on record{WAY}"),
        (replace(PASSED, canary="other"), 0.0, f"v2 has changed since its evaluation{WAY}"),
        (replace(PASSED, suite="evals/t.yaml"), 0.0, f"v2 was evaluated with evals/t.yaml, not with evals/s.yaml{WAY}"),
        (replace(PASSED, stable="other"), 0.0, f"v2 was compared with another stable version than this one{WAY}"),
        (replace(PASSED, has_passed=False, sentence="Failed: x."), 0.0, "v2 has not passed its evaluation: Failed: x."),
        (replace(PASSED, margin=0.2), 0.0, f"v2 was evaluated with a margin of 0.2, and 0.05 is the most{WAY}"),
        (replace(PASSED, at=2 * DAY), 0.0, f"the evaluation of v2 is dated in the future{WAY}"),
        (PASSED, 31 * DAY, f"the evaluation of v2 is 31 days old, and 30 are allowed{WAY}"),
    ],
)
def test_a_canary_waits_at_0_percent(evaluated: Evaluated | None, now: float, reason: str) -> None:
    """It is said what is missing, and how to get it."""
    state = after(reconcile(None, gated(evaluated), now=now))
    assert (state.phase, state.weight, state.step, state.action, state.reason) == ("pending", 0, 0, "wait", reason)
    assert not state.on_trial


@pytest.mark.parametrize("evaluated", [PASSED, replace(PASSED, stable="")])
def test_an_evaluated_canary_begins_at_once(evaluated: Evaluated) -> None:
    """With the weight of its first step; also where it was compared with nothing."""
    state = after(reconcile(None, gated(evaluated), now=10.0))
    assert (state.phase, state.weight, state.step, state.action) == ("running", 500, 1, "start")


def test_a_record_that_cannot_be_read_keeps_its_canary_waiting() -> None:
    """Whatever else is right."""
    intent = replace(STEPS, gate=replace(GATE, mistake="v2.eval.json:1: is no record"))
    state = after(reconcile(None, intent, now=0.0))
    assert (state.phase, state.reason) == (
        "pending", "the evaluation of v2 cannot be read: v2.eval.json:1: is no record"
    )  # fmt: skip


def test_a_suite_that_has_changed_voids_its_evaluation() -> None:
    """With the file that has."""
    intent = replace(STEPS, gate=replace(GATE, changed="cases/money.yaml"))
    state = after(reconcile(None, intent, now=0.0))
    assert state.reason == f"the suite of v2 has changed since its evaluation (cases/money.yaml){WAY}"


def test_without_a_gate_or_a_canary_nothing_waits() -> None:
    """A gate is for canaries."""
    assert after(reconcile(None, gated(None, canary=None, steps=()), now=0.0)).phase is None
    assert after(reconcile(None, STEPS, now=0.0)).phase == "running"


def test_a_record_lets_a_waiting_canary_in() -> None:
    """By the configuration alone; while nothing changes, nothing is committed."""
    waiting = pending()
    assert reconcile(waiting, gated(None), now=20.0) is None
    state = after(reconcile(waiting, gated(), now=30.0))
    assert (state.phase, state.weight, state.epoch, state.rollout, state.began_at) == ("running", 500, 2, 2, 30.0)


def test_a_configuration_without_a_gate_says_what_it_lets_in() -> None:
    """Edited, or that of another replica: the record, and so the audit, has it. Of another canary there is nothing."""
    state = after(reconcile(pending(), STEPS, now=30.0))
    assert (state.phase, state.weight) == ("running", 500)
    assert state.reason.endswith(", without the evaluation that it waited for: this configuration needs none")
    other = after(reconcile(pending(), replace(STEPS, canary=V3), now=30.0))
    assert other.phase == "running" and "without the evaluation" not in other.reason


def test_another_reason_to_wait_is_on_record() -> None:
    """An edit of the canary's record that still does not pass."""
    state = after(reconcile(pending(), gated(replace(PASSED, has_passed=False)), now=20.0))
    assert (state.phase, state.epoch, state.action) == ("pending", 2, "wait")
    assert state.reason.startswith("v2 has not passed its evaluation")


def test_an_edit_voids_the_evaluation() -> None:
    """The next content under the same name waits, though the one before it ran."""
    state = after(reconcile(running(gated()), gated(canary=replace(V2, digest="edited")), now=20.0))
    assert (state.phase, state.weight) == ("pending", 0)
    assert state.reason == f"v2 has changed since its evaluation{WAY}"


def test_what_runs_is_not_stopped() -> None:
    """A record that is deleted, or grows old, ends no rollout under way."""
    assert reconcile(running(gated()), gated(None), now=40 * DAY) is None


def test_evidence_moves_no_waiting_canary() -> None:
    """There is none."""
    assert decide(pending(), gated(None), findings(BAD), now=20.0) is None


def test_a_person_lets_a_canary_in() -> None:
    """Only in so many words, and under their name."""
    with pytest.raises(Refused, match=r"has no evaluation on record.*or say --without-evaluation"):
        act(pending(), gated(None), Command("approve", "ada", "a fire"), now=20.0)
    command = Command("approve", "ada", "a fire", without_evaluation=True)
    state = after(act(pending(), gated(None), command, now=20.0))
    assert (state.phase, state.weight, state.step, state.steps) == ("running", 500, 1, STEPS.steps)
    assert (state.action, state.actor, state.reason, state.rollout) == ("approve", "ada", "a fire", 2)
    assert reconcile(state, gated(None), now=30.0) is None


@pytest.mark.parametrize("verb", ["pause", "promote", "pin", "set-weight", "abort"])
def test_no_other_verb_gets_past_the_gate(verb: str) -> None:
    """A weight that is set by hand would."""
    with pytest.raises(Refused, match="the rollout is pending"):
        act(pending(), gated(None), Command(verb, "ada", "now", weight=5000), now=20.0)


def test_a_retry_passes_the_gate_again() -> None:
    """What was rolled back and has no valid evaluation begins only without one, in so many words."""
    taken_out = rolled_back()
    with pytest.raises(Refused, match="no evaluation on record"):
        act(taken_out, gated(None), Command("retry", "ada", "again"), now=30.0)
    assert after(act(taken_out, gated(), Command("retry", "ada", "again"), now=30.0)).phase == "running"
    command = Command("retry", "ada", "again", without_evaluation=True)
    assert after(act(taken_out, gated(None), command, now=30.0)).phase == "running"


def test_what_was_rolled_back_stays_so() -> None:
    """An evaluation on record brings no canary back that real calls have refuted."""
    state = after(reconcile(after(reconcile(rolled_back(), Intent(V1, V3, STEPS.steps), 1.0)), gated(), now=40.0))
    assert state.phase == "rolled_back"
