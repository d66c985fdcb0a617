"""The pause of a canary that has used up its budget: nothing of the rollout is lost, and a person resumes it."""

from dataclasses import replace

from policies.rollout.rollout import CONTROLLER, Decision, new_segment
from policies.rollout.state import Intent, State


def pause_spent(state: State, intent: Intent, reason: str, figures: dict[str, object], now: float) -> Decision | None:
    """Return the decision that gives the canary no calls any more; None where it gets none, or another is on trial.

    The weight is pinned at 0: else the next replica that reads its files would restore the step's share.
    """
    if not state.on_trial or not state.weight or not state.serves(intent):
        return None
    changes = {"phase": "paused", "weight": 0, "pinned": True, "spent": True}
    decision = new_segment(state, now, action="pause", actor=CONTROLLER, reason=reason, **changes)
    return replace(decision, evidence=figures)
