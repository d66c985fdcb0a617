"""Operator commands on a rollout, committed like the controller's decisions.

A person and the controller can never both win, because both name the epoch that they saw. A verb that makes no sense
where the rollout stands is refused in words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from policies.guardrails.metrics import METRICS
from policies.rollout.exclusions import back_in_words, ended_by_resume, with_end, with_kept
from policies.rollout.rollout import Decision, advance, change, complete, new_segment
from policies.rollout.state import WHOLE_WEIGHT, Intent, State, percent


class Refused(Exception):
    """The verb cannot be done where the rollout stands; the message says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's command: `actor` and `reason` go on record. `weight` in basis points is for set-weight, `metric`
    for dismiss, `to_end` for promote. `without_evaluation` lets approve and retry begin what has no valid one.
    """

    verb: str
    actor: str
    reason: str
    weight: int | None = None
    metric: str | None = None
    to_end: bool = False
    without_evaluation: bool = False


def act(state: State, intent: Intent, command: Command, now: float) -> Decision:
    """The decision that carries out the command. Raises Refused."""
    verb = VERBS.get(command.verb)
    if verb is None:
        raise Refused(f"unknown verb {command.verb!r}; known: {', '.join(VERBS)}")
    if state.canary is None or not state.serves(intent):
        raise Refused("no rollout of the configured canary is on record")
    return verb(state, intent, command, now)


def _pause(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "running")
    return change(state, now, **_signed(command, "pause"), phase="paused")


def _resume(state: State, intent: Intent, command: Command, now: float) -> Decision:
    """Lift what holds the rollout: a pause, the weight 0 of a spent budget, and exclusions."""
    ended = ended_by_resume(state)
    if not ended:
        _require(state, "paused")
    kept = tuple(party for party in state.excluded if party not in ended)
    changes = {
        "phase": "running" if state.phase == "paused" else state.phase,
        "excluded": kept,
        "acknowledged": kept,
        **_signed(command, "resume"),
    }
    changes["reason"] = with_kept(_with_back(command.reason, ended), replace(state, excluded=kept))
    step = state.step_of(intent)
    if state.spent and step is not None:
        return new_segment(state, now, **changes, weight=step.share, pinned=False, spent=False)
    if ended:  # with new evidence: by the old one they would be excluded at once
        return new_segment(state, now, **changes)
    return change(state, now, **changes, began_at=now)


def _with_back(reason: str, parties: tuple[str, ...]) -> str:
    return f"{reason}; {back_in_words(parties)}" if parties else reason


def _promote(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "running", "paused")
    if not command.to_end and len(intent.steps) == 1 and intent.steps[0].hold is None:
        weight = percent(intent.steps[0].weight)
        raise Refused(f"a plain weight of {weight} has no next step; to serve every call from the canary: --to-end")
    if command.to_end or state.place_in(intent) >= len(intent.steps):
        return complete(state, command.actor, command.reason, now)
    decision = advance(state, intent, command.actor, command.reason, now)
    promoted = replace(
        decision.state, action="promote", phase="running", pinned=False, spent=False, acknowledged=state.excluded
    )
    return replace(decision, state=promoted)


def _abort(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "running", "paused", "completed")
    assert state.canary is not None, "act refuses without one"  # noqa: S101
    rolled_back = {**state.rolled_back, state.canary.digest: f"{command.actor}: {command.reason}"}
    signed = {**_signed(command, "abort"), "reason": with_end(command.reason, state)}
    return new_segment(
        state, now, **signed, phase="rolled_back", weight=0, rolled_back=rolled_back, excluded=(), acknowledged=()
    )


def _approve(state: State, intent: Intent, command: Command, now: float) -> Decision:
    if state.phase == "pending":
        return _let_in(state, intent, command, now)
    _require(state, "running", "paused")
    step = state.step_of(intent)
    if step is None or not step.approval or state.approved:
        raise Refused("this step needs no approval")
    return change(state, now, **_signed(command, "approve"), approved=True)


def _let_in(state: State, intent: Intent, command: Command, now: float) -> Decision:
    """Begin the rollout of a canary that has not passed its evaluation, under a person's name."""
    _check_gate(intent, command, now)
    return _first_step(state, intent, now, **_signed(command, "approve"))


def _check_gate(intent: Intent, command: Command, now: float) -> None:
    """Raise Refused for a canary that has not passed its evaluation, unless a person says that it need not."""
    if (refusal := intent.refusal(now)) and not command.without_evaluation:
        raise Refused(f"{refusal}; or say --without-evaluation")


def _first_step(state: State, intent: Intent, now: float, **changes: Any) -> Decision:
    """The first step of a rollout of the record's canary, with nothing of an earlier one."""
    decision = new_segment(
        state, now, phase="running", step=1, weight=intent.steps[0].share, segment=1, offset=0, banked={}, frozen={},
        pinned=False, spent=False, dismissed=(), steps=intent.steps, **changes,
    )  # fmt: skip
    return replace(decision, state=replace(decision.state, rollout=decision.state.epoch))


def _pin(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "running", "paused")
    return change(state, now, **_signed(command, "pin"), pinned=True)


def _unpin(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "running", "paused")
    if not state.pinned:
        raise Refused("the rollout is not pinned")
    step, signed = state.step_of(intent), _signed(command, "unpin")
    if step is None or step.share == state.weight:
        return change(state, now, **signed, pinned=False)
    # Back to the configuration's share now, under this person's name, and not whenever a replica next reads its files.
    signed["reason"] = f"{percent(state.weight)} -> {percent(step.share)}: {command.reason}"
    return new_segment(state, now, **signed, weight=step.share, pinned=False, spent=False)


def _set_weight(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "running", "paused")
    if command.weight is None or not 0 <= command.weight <= WHOLE_WEIGHT:
        raise Refused("give a weight between 0% and 100%")
    signed = _signed(command, "set_weight")
    signed["reason"] = f"{percent(state.weight)} -> {percent(command.weight)}: {command.reason}"
    return new_segment(state, now, **signed, weight=command.weight, pinned=True, spent=False)


def _dismiss(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "running", "paused", "completed")
    if command.metric not in METRICS:
        raise Refused(f"unknown metric {command.metric!r}; known: {', '.join(METRICS)}")
    if command.metric in state.dismissed:
        raise Refused(f"{command.metric} is dismissed already")
    return change(state, now, **_signed(command, "dismiss"), dismissed=(*state.dismissed, command.metric))


def _retry(state: State, intent: Intent, command: Command, now: float) -> Decision:
    _require(state, "rolled_back")
    assert state.canary is not None, "act refuses without one"  # noqa: S101
    forgiven = {digest: why for digest, why in state.rolled_back.items() if digest != state.canary.digest}
    _check_gate(intent, command, now)
    return _first_step(state, intent, now, **_signed(command, "retry"), rolled_back=forgiven)


def _require(state: State, *phases: str) -> None:
    if state.phase not in phases:
        phase = str(state.phase).replace("_", " ")
        raise Refused(f"the rollout is {phase}; this works while it is {' or '.join(phases)}")


def _signed(command: Command, action: str) -> dict[str, str]:
    return {"action": action, "actor": command.actor, "reason": command.reason}


VERBS: Mapping[str, Callable[[State, Intent, Command, float], Decision]] = {
    "pause": _pause,
    "resume": _resume,
    "promote": _promote,
    "abort": _abort,
    "approve": _approve,
    "pin": _pin,
    "unpin": _unpin,
    "set-weight": _set_weight,
    "dismiss": _dismiss,
    "retry": _retry,
}
