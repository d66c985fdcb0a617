"""A rollout follows its step by the weight, however the steps before it are edited."""

from dataclasses import replace

import pytest

from policies.rollout.rollout import advance, decide, reconcile
from policies.rollout.state import Intent, State, Step
from policies.rollout.verbs import Command, act
from tests.policies.evidences import GOOD
from tests.policies.rollout.records import STEPS, V1, V2, after, findings, running

FIVE, TEN, QUARTER, HALF = (Step(weight, 60.0) for weight in (500, 1000, 2500, 5000))


def on_the_second(*steps: Step) -> State:
    """The second of these steps is running."""
    return running(Intent(V1, V2, steps), step=2, weight=steps[1].share, steps=steps)


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ((FIVE, TEN, QUARTER), 3),  # one was put in before it
        ((QUARTER, HALF), 1),  # one was taken out
        ((FIVE, replace(QUARTER, hold=5.0), HALF), 2),  # its hold was edited
    ],
)
def test_a_step_is_followed_by_its_weight(steps: tuple[Step, ...], place: int) -> None:
    """The weight stays, its evidence too, and the record says what was edited."""
    state = on_the_second(FIVE, QUARTER)
    changed = after(reconcile(state, Intent(V1, V2, steps), 1.0))
    assert (changed.step, changed.weight, changed.action) == (place, 2500, "steps")
    assert (changed.evidence, changed.steps) == (state.evidence, steps)


def test_a_step_whose_weight_is_gone_is_followed_by_its_number() -> None:
    """The operator has edited the weight itself."""
    changed = after(reconcile(on_the_second(FIVE, QUARTER), Intent(V1, V2, (FIVE, HALF)), 1.0))
    assert (changed.step, changed.weight, changed.action) == (2, 5000, "set_weight")


def test_who_goes_on_before_the_record_follows_goes_on_from_its_weight() -> None:
    """An edit and a step may meet: never back, never over a step."""
    state, edited = on_the_second(FIVE, QUARTER, HALF), Intent(V1, V2, (FIVE, TEN, QUARTER, HALF))
    assert (after(advance(state, edited, "Kim", "on", 1.0)).step, edited.steps[3]) == (4, HALF)
    kim = Command("promote", "Kim", "on")
    last = on_the_second(FIVE, QUARTER)
    assert act(last, Intent(V1, V2, (QUARTER,)), kim, 1.0).state.phase == "completed"


def test_the_last_step_completes_by_its_weight() -> None:
    """Though it has another number now."""
    state = running(STEPS, step=len(STEPS.steps), weight=STEPS.steps[-1].share, steps=STEPS.steps)
    shorter = Intent(V1, V2, STEPS.steps[-1:])
    assert after(decide(state, shorter, findings(GOOD), 1e5)).phase == "completed"
